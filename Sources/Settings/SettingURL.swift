// SPDX-License-Identifier: Apache-2.0

public import Model

/// A URL from the configuration. It may carry a password, so that only its redacted form can be printed.
public struct SettingURL: Sendable, Hashable {
    /// The URL as it was written.
    public let secret: SecretString
    /// Lower case, for example `rediss`.
    public let scheme: String
    /// The URL with its password and unknown query values replaced by `***`.
    public let redacted: String

    /// Query parameters whose values help an operator and hold no secret.
    private static let openParameters: Set<String> = [
        "application_name", "connect_timeout", "db", "dbname", "host", "port", "sslmode",
        "target_session_attrs",
        "user",
    ]

    /// Nil when the text has no scheme, nothing behind it, or a blank or a control character.
    init?(_ text: String) {
        guard let colon = text.firstRange(of: "://"), colon.lowerBound > text.startIndex,
            colon.upperBound < text.endIndex, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else { return nil }
        secret = SecretString(text)
        scheme = text[..<colon.lowerBound].lowercased()
        redacted = "\(scheme)://" + Self.redact(text[colon.upperBound...], scheme: scheme)
    }

    /// A URL that is known to hold no secret.
    init(open scheme: String, _ rest: String) {
        secret = SecretString("\(scheme)://\(rest)")
        self.scheme = scheme
        redacted = secret.exposed
    }

    /// What follows the scheme: user information, host, path and query.
    var rest: Substring { secret.exposed.dropFirst(scheme.count + 3) }

    var hasUserInformation: Bool { rest.utf8.contains(UInt8(ascii: "@")) }

    /// The part between the scheme and the path.
    var authority: Substring { rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" } }

    /// Errs on the side of hiding: a password with an unescaped `/`, `?` or `@` is hidden whole.
    private static func redact(_ rest: Substring, scheme: String) -> String {
        guard let at = rest.lastIndex(of: "@") else { return redactQuery(rest) }
        let information = rest[..<at]
        let user = information.prefix { $0 != ":" }
        // A lone name is a user for Postgres; people write Redis passwords there.
        let isUser = user.count < information.count || scheme.hasPrefix("postgres")
        let isPlain = user.utf8.allSatisfy { byte in
            let lower = byte | 0x20
            return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_-.%".utf8.contains(byte)
        }
        let shown = isUser && isPlain ? String(user) : "***"
        let password = user.count < information.count ? ":***" : ""
        return shown + password + "@" + redactQuery(rest[rest.index(after: at)...])
    }

    private static func redactQuery(_ rest: Substring) -> String {
        guard let mark = rest.firstIndex(where: { $0 == "?" || $0 == "#" }) else { return String(rest) }
        let parameters = rest[rest.index(after: mark)...].split(separator: "&").map { parameter in
            let name = parameter.prefix { $0 != "=" }
            return openParameters.contains(String(name)) ? String(parameter) : "\(name)=***"
        }
        return rest[...mark] + parameters.joined(separator: "&")
    }
}

extension SettingURL: CustomStringConvertible {
    /// The URL without its password.
    public var description: String { redacted }
}
