// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// Reads `window_absence` of a stream, and refuses one that would invent deletions.
struct WindowAbsenceLoader {
    static let key = "window_absence"
    static let keys = ["pointer", "format", "since", "until", "lag", "mutable"]

    private let reader: MappingReader

    init(_ stream: MappingReader) {
        reader = stream
    }

    private enum Bound: String, CaseIterable {
        case inclusive
        case exclusive
    }

    func load(for stream: StreamManifest) -> WindowAbsence? {
        guard let rule = reader.mapping(Self.key, keys: Self.keys) else { return nil }
        let pointer = rule.pointer("pointer", required: true)
        let format = rule.word("format", TimeNotation.self, required: true)
        // What is not said narrows the stretch: a record on its edge is left alone.
        let since = rule.has("since") ? rule.word("since", Bound.self) : .exclusive
        let until = rule.has("until") ? rule.word("until", Bound.self) : .exclusive
        let lag = rule.has("lag") ? rule.duration("lag", in: .seconds(0) ... .seconds(86_400)) : .zero
        if !rule.has("mutable") {
            rule.complain("mutable", "is missing; 'false' says that the time of a record never changes")
        } else if rule.bool("mutable") == true {
            rule.complain(
                "mutable",
                "'true' is not allowed: a record whose time is edited leaves the stretch and is still there")
        }
        checkSlices(stream)
        guard let pointer, let format, let since, let until, let lag else { return nil }
        if pointer.tokens.isEmpty { rule.complain("pointer", "has to name a member of the record") }
        checkType(pointer, format, stream, rule)
        return WindowAbsence(
            pointer: pointer, format: format, includesSince: since == .inclusive,
            includesUntil: until == .inclusive, lag: lag,
            countsForChanges: stream.incremental.isWindow)
    }

    /// A list that no parameters narrow on both sides never shows a stretch of time.
    private func checkSlices(_ stream: StreamManifest) {
        var isBounded = stream.range?.until != nil
        switch stream.incremental {
        case .window: isBounded = true
        case .time(let rule):
            let isOwn = stream.changes == nil && rule.until != nil && rule.request.parameter != nil
            isBounded = isBounded || isOwn
        case .sortedDescending(let range, _, _): isBounded = isBounded || range?.until != nil
        case .none, .syncToken, .etag, .feed: break
        }
        if !isBounded {
            reader.complain(
                Self.key,
                "means nothing for a list without stretches of time; needs time_param_window, or a since and an "
                    + "until_parameter")
        }
        if stream.list.page.isCounted {
            reader.complain(
                Self.key,
                "is not allowed for pages that are counted: a list that shifts while it is read hides records"
            )
        }
    }

    /// The same value under another name has to be of the same kind; what orders versions changes with every edit.
    private func checkType(
        _ pointer: JSONPointer, _ format: TimeNotation, _ stream: StreamManifest, _ rule: MappingReader
    ) {
        if stream.list.plan.version?.pointer == pointer {
            rule.complain("pointer", "is what orders versions, and changes with every edit of a record")
        }
        var known: [String?] = stream.fields.filter { $0.pointer == pointer }.map(\.type.rawValue)
        if let cursor = stream.list.plan.cursor, cursor.pointer == pointer { known.append(cursor.kind.word) }
        for word in known where word != format.rawValue {
            rule.complain(
                "format",
                "'\(format.rawValue)' is not how the stream reads \(pointer.text) elsewhere"
                    + (word.map { ", which is '\($0)'" } ?? ""))
        }
    }
}

extension ScalarRule.Kind {
    /// The word of manifests; nil for a pattern.
    fileprivate var word: String? {
        switch self {
        case .integer: "integer"
        case .epochSeconds: "epoch_seconds"
        case .epochMilliseconds: "epoch_milliseconds"
        case .rfc3339: "rfc3339"
        case .pattern: nil
        }
    }
}

extension IncrementalRule {
    fileprivate var isWindow: Bool { if case .window = self { true } else { false } }
}
