// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// A fixture's table, changed as its records.
enum FixtureTable {
    /// The table after a change of the array of its records; as it is where it has none, or is no table.
    static func changed(
        _ body: [UInt8], delimiter: UInt8, _ change: (inout JSONTree) -> Void
    ) -> [UInt8] {
        guard var tree = records(of: body, delimiter: delimiter), case .array(let before) = tree,
            case .object(let columns)? = before.first
        else { return body }
        change(&tree)
        guard case .array(let records) = tree else { return body }
        let names = columns.map(\.name)
        let table = [names] + records.map { fields($0, names) }
        let separator = String(decoding: [delimiter], as: UTF8.self)
        return Array(table.map { $0.map(quoted).joined(separator: separator) + "\n" }.joined().utf8)
    }

    /// The array of a table's records; nil for what is no table.
    static func records(of body: [UInt8], delimiter: UInt8) -> JSONTree? {
        let lines: [UInt8]
        do throws(PageScanError) {
            lines = try CSVTable(body, delimiter: delimiter, needed: []).lines()
        } catch {
            return nil
        }
        let rows = lines.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        return JSONTree(yaml: "[\(rows.joined(separator: ","))]")
    }

    private static func fields(_ record: JSONTree, _ names: [String]) -> [String] {
        switch record {
        case .object(let members): names.map { name in text(members.first { $0.name == name }?.value) }
        case .array(let fields): fields.map { text($0) }
        case .scalar: []
        }
    }

    private static func text(_ value: JSONTree?) -> String {
        if case .scalar(let scalar)? = value { scalar.text ?? "" } else { "" }
    }

    private static func quoted(_ field: String) -> String {
        "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
