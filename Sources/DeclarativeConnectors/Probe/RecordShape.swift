// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// Where the records of a page are, and what in them looks like an id, a time of change and a mark of deletion.
struct RecordShape: Sendable, Equatable {
    enum Layout: Sendable, Equatable {
        case array
        /// An object of records; their names become this member.
        case keyed
        case lines
    }

    /// A value that may be a time, and how it is written.
    struct Time: Sendable, Equatable {
        let pointer: String
        let format: String
    }

    let path: [String]
    let layout: Layout
    /// Nil when no member of the records tells them apart.
    let id: String?
    let changed: Time?
    let deleted: String?

    /// Nil when there is no list of objects.
    init?(_ page: ProbePage) {
        let found: (path: [String], layout: Layout)
        if page.isLines {
            found = ([], .lines)
        } else if let path = Self.list(in: page.value, near: page.name) {
            found = (path, .array)
        } else if let path = Self.keyed(in: page.value) {
            found = (path, .keyed)
        } else {
            return nil
        }
        path = found.path
        layout = found.layout
        let records = Self.records(page, found.path, found.layout)
        id = layout == .keyed ? "/\(Self.keyMember)" : Self.id(records)
        changed = Self.changed(records)
        deleted = Self.deleted(records)
    }

    static let keyMember = "key"

    func records(of page: ProbePage) -> [ProbeValue] { Self.records(page, path, layout) }

    /// The ids of a page's records, as text.
    func ids(of page: ProbePage) -> [String] {
        if layout == .keyed { return page.value[path]?.members.keys.sorted() ?? [] }
        guard let id else { return [] }
        return records(of: page).compactMap { $0.members[String(id.dropFirst())]?.scalar?.text }
    }

    private static func records(_ page: ProbePage, _ path: [String], _ layout: Layout) -> [ProbeValue] {
        switch layout {
        case .lines: page.lines
        case .array: page.value[path]?.elements ?? []
        case .keyed: page.value[path]?.members.sorted { $0.key < $1.key }.map(\.value) ?? []
        }
    }

    // MARK: - Where

    private static let usualNames = [
        "data", "items", "results", "records", "values", "entries", "objects", "list", "members", "elements",
        "rows",
    ]

    /// The array of objects that is most likely the list: one with a usual name or the name of what was asked for,
    /// then the longest, then the outermost.
    private static func list(in value: ProbeValue, near name: String) -> [String]? {
        if value.elements != nil { return [] }
        var found: [(path: [String], count: Int)] = []
        func look(_ value: ProbeValue, _ path: [String]) {
            guard path.count < 3 else { return }
            for (member, inner) in value.members.sorted(by: { $0.key < $1.key }) {
                if let elements = inner.elements, elements.allSatisfy({ !$0.members.isEmpty }) {
                    found.append((path + [member], elements.count))
                }
                look(inner, path + [member])
            }
        }
        look(value, [])
        func rank(_ candidate: (path: [String], count: Int)) -> (Int, Int, Int) {
            let last = candidate.path.last?.lowercased() ?? ""
            let isUsual = usualNames.contains(last) || last == name.lowercased()
            return (candidate.count > 0 ? 1 : 0, isUsual ? 1 : 0, candidate.count * 10 - candidate.path.count)
        }
        return found.max { rank($0) < rank($1) }?.path
    }

    private static func keyed(in value: ProbeValue) -> [String]? {
        func isMap(_ value: ProbeValue) -> Bool {
            value.members.count >= 2 && value.members.values.allSatisfy { !$0.members.isEmpty }
        }
        if isMap(value) { return [] }
        return value.members.sorted { $0.key < $1.key }.first { isMap($0.value) }.map { [$0.key] }
    }

    // MARK: - What

    private static let idNames = [
        "id", "_id", "uuid", "guid", "gid", "sid", "key", "uid", "Id", "ID", "ts", "number",
    ]

    private static func id(_ records: [ProbeValue]) -> String? {
        guard let first = records.first else { return nil }
        let names = first.members.keys.sorted()
        let ending = names.filter {
            $0.lowercased().hasSuffix("_id") || $0.hasSuffix("Id") || $0.hasSuffix("ID")
        }
        for name in idNames.filter(names.contains) + ending {
            let values = records.compactMap { record -> String? in
                switch record.members[name]?.scalar {
                case .string(let text) where !text.isEmpty, .number(let text): text
                default: nil
                }
            }
            if values.count == records.count, Set(values.map { Array($0.utf8) }).count == values.count {
                return ProbeValue.pointer([name])
            }
        }
        return nil
    }

    private static let changeNames = [
        "updated_at", "updatedat", "updated", "modified_at", "modified", "last_modified", "lastmodified",
        "last_modified_at", "lastmodifieddate", "last_edited_time", "modified_time", "modifiedtime",
        "date_modified",
        "update_time", "updatetime", "systemmodstamp", "changed_at", "last_updated", "lastupdated", "mtime",
    ]

    private static func changed(_ records: [ProbeValue]) -> Time? {
        guard let first = records.first else { return nil }
        for wanted in changeNames {
            guard let name = first.members.keys.first(where: { $0.lowercased() == wanted }) else { continue }
            let formats = Set(records.map { format(of: $0.members[name]?.scalar) })
            if formats.count == 1, let format = formats.first ?? nil {
                return Time(pointer: ProbeValue.pointer([name]), format: format)
            }
        }
        return nil
    }

    /// Nil for what is no time, or one whose zone would be a guess.
    private static func format(of scalar: JSONScalar?) -> String? {
        guard let scalar, let text = scalar.text else { return nil }
        if ScalarRule.Kind.rfc3339.order(of: scalar) != nil { return "rfc3339" }
        guard let number = Double(text), number.isFinite else { return nil }
        // Between 2001 and 2100.
        if (1e9..<4.1e9).contains(number) { return "epoch_seconds" }
        return (1e12..<4.1e12).contains(number) ? "epoch_milliseconds" : nil
    }

    private static func deleted(_ records: [ProbeValue]) -> String? {
        for name in ["deleted", "is_deleted", "isDeleted", "IsDeleted"] {
            let values = records.compactMap { $0.members[name]?.scalar }
            let areFlags = values.allSatisfy { if case .bool = $0 { true } else { false } }
            if !values.isEmpty, areFlags { return ProbeValue.pointer([name]) }
        }
        return nil
    }
}
