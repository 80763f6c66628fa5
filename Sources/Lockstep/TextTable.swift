// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Rows for people: columns as wide as their widest cell, numbers to the right.
struct TextTable {
    private let header: [String]
    private var rows: [[String]] = []

    init(_ header: [String]) {
        self.header = header
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let isNumeric = header.indices.map { column in
            !rows.isEmpty && rows.allSatisfy { Int64($0[column]) != nil }
        }
        return all.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return isNumeric[column] ? padding + row[column] : row[column] + padding
            }
            let line = cells.joined(separator: "  ")
            return String(line.prefix(line.count - line.reversed().prefix { $0 == " " }.count))
        }.joined(separator: "\n")
    }

    /// The rows as a JSON array of objects, for programs.
    var json: String {
        let keys = header.map { $0.lowercased().replacingOccurrences(of: " ", with: "_") }
        let objects = rows.map { row in
            "{"
                + zip(keys, row).map { "\(JSONOutput.quoted($0)):\(JSONOutput.scalar($1))" }.joined(
                    separator: ",")
                + "}"
        }
        return "[" + objects.joined(separator: ",") + "]"
    }

    func print(asJSON: Bool) {
        Swift.print(asJSON ? json : text)
    }
}

/// JSON text of single values.
enum JSONOutput {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            default:
                if scalar.value < 0x20 {
                    result += String(format: "\\u%04x", scalar.value)
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }

    /// A number as a number, "-" as null, the rest as text.
    static func scalar(_ text: String) -> String {
        if text == "-" { return "null" }
        return Int64(text).map(String.init) ?? quoted(text)
    }
}
