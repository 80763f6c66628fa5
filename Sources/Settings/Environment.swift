// SPDX-License-Identifier: Apache-2.0

public import Model

/// Reads typed values out of environment variables and collects everything that is wrong with them.
///
/// A reader that meets a problem notes it and returns its default, so that the next one is reached; call
/// `finish` before any value is used. A variable that is empty counts as not set, because that is what
/// `${NAME:-}` in a compose file leaves behind. Blanks and line ends around a value are dropped.
public struct Environment: Sendable {
    /// Variables that begin with it belong to the project, so that an unknown one is a mistake.
    public static let prefix = "LOCKSTEP_"

    /// What has been wrong so far.
    public private(set) var problems: [SettingsProblem] = []
    /// What has been read so far, in that order.
    public private(set) var effective: [EffectiveSetting] = []
    private let variables: [String: String]

    /// An environment to read settings from; the variables are not checked yet.
    public init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// Notes a problem that a reader cannot see, for example between two variables.
    public mutating func report(_ name: String, _ problem: String, allowed: String) {
        problems.append(SettingsProblem(name: name, problem: problem, allowed: allowed))
    }

    /// Throws all problems at once, if there are any.
    public func finish() throws(SettingsError) {
        if !problems.isEmpty { throw SettingsError(problems: problems) }
    }

    /// Notes each variable with the project's prefix that nothing has read.
    ///
    /// `alsoKnown` names those that other processes of the same deployment read; a name that ends with `*`
    /// stands for all that begin with the rest of it.
    public mutating func refuseUnknown(alsoKnown: [String] = []) {
        let known = effective.map(\.name) + alsoKnown
        let beginnings = alsoKnown.filter { $0.hasSuffix("*") }.map { $0.dropLast() }
        for name in variables.keys.sorted() where name.hasPrefix(Self.prefix) && !known.contains(name) {
            if beginnings.contains(where: { name.hasPrefix($0) }) { continue }
            let bare = String(name.dropFirst(Self.prefix.count))
            let meant = known.contains(bare) ? bare : Suggestion.closest(to: name, among: known)
            report(
                name, "unknown variable" + (meant.map { ", did you mean \($0)?" } ?? ""),
                allowed: "the names that 'lockstep doctor' lists")
        }
    }

    /// The names of the variables that begin with `text`, in order: for settings with a part of the name of their own.
    public func names(beginningWith text: String) -> [String] {
        variables.keys.filter { $0.hasPrefix(text) }.sorted()
    }

    // MARK: Readers

    /// A value in a form of its own. `parse` returns nil when the text is not in that form; `show` writes a
    /// value for the table.
    public mutating func value<Value>(
        _ name: String, default fallback: Value, allowed: String,
        show: (Value) -> String, parse: (String) -> Value?
    ) -> Value {
        guard let text = text(of: name) else {
            note(name, show(fallback), .default)
            return fallback
        }
        guard let value = parse(text) else {
            report(name, "\(Self.quoted(text)) is not accepted", allowed: allowed)
            return rejected(name, fallback)
        }
        note(name, show(value), .environment)
        return value
    }

    /// As `value`, for something that may be absent.
    public mutating func optional<Value>(
        _ name: String, allowed: String, show: (Value) -> String, parse: (String) -> Value?
    ) -> Value? {
        value(name, default: Value?.none, allowed: allowed, show: { $0.map(show) ?? "" }) { text in
            parse(text).map { .some($0) }
        }
    }

    /// A whole number in a range; anything else is a problem, and the default is returned.
    public mutating func integer(_ name: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        let allowed = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return value(name, default: fallback, allowed: allowed, show: { "\($0)" }) { text in
            Int(plainDigits: text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A duration with a unit, such as `30s`; anything else is a problem, and the default is returned.
    public mutating func duration(
        _ name: String, default fallback: Duration, in range: ClosedRange<Duration>
    ) -> Duration {
        let limits = "\(range.lowerBound.settingText) to \(range.upperBound.settingText)"
        let allowed = "\(limits), a whole number with ms, s, m, h or d"
        return value(name, default: fallback, allowed: allowed, show: \.settingText) { text in
            Duration(settingText: text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A switch that is off unless it is turned on.
    public mutating func flag(_ name: String) -> Bool {
        value(name, default: false, allowed: "1 or 0", show: { $0 ? "1" : "0" }) { text in
            switch text.lowercased() {
            case "1", "true", "yes", "on": true
            case "0", "false", "no", "off": false
            default: nil
            }
        }
    }

    /// One of a closed set of words; anything else is a problem, and the default is returned.
    public mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, default fallback: Value
    ) -> Value where Value.RawValue == String {
        let allowed = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return value(name, default: fallback, allowed: allowed, show: \.rawValue) { text in
            Value(rawValue: text.lowercased())
        }
    }

    /// Elements between separators. Empty ones are refused: they are typing mistakes.
    public mutating func list<Value>(
        _ name: String, separator: Character, default fallback: [Value], allowed: String,
        show: (Value) -> String, parse: (String) -> Value?
    ) -> [Value] {
        value(
            name, default: fallback, allowed: allowed,
            show: { $0.map(show).joined(separator: String(separator)) }
        ) { text in
            var values: [Value] = []
            for element in text.split(separator: separator, omittingEmptySubsequences: false) {
                guard let value = parse(Self.trimmed(String(element))) else { return nil }
                values.append(value)
            }
            return values
        }
    }

    /// A secret. `check` returns what is wrong with it, in words that do not repeat it.
    public mutating func secret(
        _ name: String, allowed: String, check: (SecretString) -> String?
    ) -> SecretString? {
        guard let text = text(of: name) else {
            note(name, "", .unset)
            return nil
        }
        let secret = SecretString(text)
        if let problem = check(secret) {
            report(name, problem, allowed: allowed)
            return rejected(name, nil)
        }
        note(name, "***", .environment)
        return secret
    }

    /// A URL, shown without its password. `check` sees what the scheme alone does not tell.
    public mutating func url(
        _ name: String, schemes: [String], allowed: String, check: (SettingURL) -> Bool = { _ in true }
    ) -> SettingURL? {
        guard let text = text(of: name) else {
            note(name, "", .unset)
            return nil
        }
        guard let url = SettingURL(text), schemes.contains(url.scheme), check(url) else {
            // The text is not repeated: a URL that cannot be read cannot be redacted either.
            report(name, "the URL is not accepted", allowed: allowed)
            return rejected(name, nil)
        }
        note(name, url.redacted, .environment)
        return url
    }

    /// As `url`, for one that has a default.
    public mutating func url(
        _ name: String, schemes: [String], default fallback: SettingURL, allowed: String,
        check: (SettingURL) -> Bool = { _ in true }
    ) -> SettingURL {
        guard text(of: name) != nil else {
            note(name, fallback.redacted, .default)
            return fallback
        }
        return url(name, schemes: schemes, allowed: allowed, check: check) ?? fallback
    }

    // MARK: Private

    private func text(of name: String) -> String? {
        guard let text = variables[name].map(Self.trimmed), !text.isEmpty else { return nil }
        return text
    }

    private mutating func note(_ name: String, _ value: String, _ source: EffectiveSetting.Source) {
        let source: EffectiveSetting.Source = source == .default && value.isEmpty ? .unset : source
        effective.append(EffectiveSetting(name: name, value: value, source: source))
    }

    private mutating func rejected<Value>(_ name: String, _ fallback: Value) -> Value {
        note(name, "", .environment)
        return fallback
    }

    private static func trimmed(_ text: String) -> String {
        func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar.value <= 0x20 }
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !isBlank($0) }),
            let last = scalars.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(scalars[first...last])
    }

    /// The beginning of a value for an error, without characters that would disturb a terminal or a log.
    private static func quoted(_ text: String) -> String {
        // A URL in the wrong place may hold a password.
        if text.contains("://") { return "the value" }
        let shown = text.unicodeScalars.prefix(48).map { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : String(scalar)
        }
        return "'\(shown.joined())\(text.unicodeScalars.count > 48 ? "…" : "")'"
    }
}
