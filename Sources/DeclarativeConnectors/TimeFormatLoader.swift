// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner

extension ScalarRule.Kind {
    /// The smallest step that the format can write; nil for one that is finer than any step.
    var resolution: Duration? {
        switch self {
        case .epochSeconds: .seconds(1)
        case .pattern(let pattern): pattern.resolution
        case .integer, .epochMilliseconds, .rfc3339: nil
        }
    }
}

extension MappingReader {
    /// The page whose token counts: the last one, unless the manifest says otherwise.
    var tokenPage: IncrementalRule.TokenPage {
        has("take") ? word("take", IncrementalRule.TokenPage.self) ?? .last : .last
    }

    /// How a time is written: a word, or a pattern with `%`.
    func format(_ key: String, required: Bool = false) -> ScalarRule.Kind? {
        guard let text = text(key, required: required) else { return nil }
        let words: [(String, ScalarRule.Kind)] = [
            ("integer", .integer), ("epoch_seconds", .epochSeconds),
            ("epoch_milliseconds", .epochMilliseconds),
            ("rfc3339", .rfc3339),
        ]
        if let word = words.first(where: { $0.0 == text }) {
            if has("timezone") {
                complain("timezone", "means nothing for \(text), whose values tell their zone")
            }
            return word.1
        }
        guard text.contains("%") else {
            let allowed = words.map(\.0).joined(separator: ", ")
            complain(key, "'\(text)' is unknown; allowed: \(allowed), or a pattern such as %Y-%m-%d %H:%M:%S")
            return nil
        }
        var offset = 0
        if let zone = self.text("timezone") {
            guard let minutes = DatePattern.offset(zone) else {
                complain("timezone", "'\(zone)' is not allowed; UTC or an offset such as +02:00")
                return nil
            }
            offset = minutes
        }
        guard let pattern = DatePattern(text, offsetMinutes: offset) else {
            complain(
                key,
                "'\(text)' is no pattern of a date; %Y, %m and %d, and also %H, %M, %S, %f, %z, each once")
            return nil
        }
        if !pattern.hasZone, !has("timezone") {
            complain(
                "timezone", "is missing; the pattern has no %z, so that the zone has to be said, such as UTC")
        }
        if pattern.hasZone, has("timezone") {
            complain("timezone", "means nothing for a pattern with %z, whose values tell their zone")
        }
        return .pattern(pattern)
    }
}
