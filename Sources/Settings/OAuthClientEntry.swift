// SPDX-License-Identifier: Apache-2.0

public import Model

/// An application that an operator has registered with a provider.
public struct OAuthClientEntry: Sendable, Hashable {
    /// The public name of the application.
    public let id: String
    /// What proves it; nil for a public client.
    public let secret: SecretString?
    /// What users are asked for beside what its connector reads with, as actions need it.
    public let scopes: [String]

    private static let prefix = "LOCKSTEP_OAUTH_"
    private static let idSuffix = "_CLIENT_ID"
    private static let secretSuffix = "_CLIENT_SECRET"
    private static let fileSuffix = "_CLIENT_SECRET_FILE"
    private static let scopesSuffix = "_SCOPES"

    /// A service's name in the names of variables: `google-calendar` is `GOOGLE_CALENDAR`.
    static func spelling(of service: String) -> String {
        String(service.uppercased().map { $0 == "-" ? "_" : $0 })
    }

    /// Reads the clients of all services that have a variable.
    static func read(
        _ environment: inout Environment, readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> [String: OAuthClientEntry] {
        var clients: [String: OAuthClientEntry] = [:]
        for service in services(environment) {
            let base = prefix + service
            let id = environment.optional(
                base + idSuffix, allowed: "the id of the application at the provider", show: { $0 },
                parse: { $0 })
            let secret = environment.secretOrFile(
                base + secretSuffix, form: "the secret", isOneLine: true, readFile: readFile)?.value
            let scopes = environment.optional(
                base + scopesSuffix, allowed: "scopes with commas or spaces between them",
                show: { $0.joined(separator: " ") }, parse: scopes)
            if let id {
                clients[service] = OAuthClientEntry(id: id, secret: secret, scopes: scopes ?? [])
            } else if secret != nil || scopes != nil {
                environment.report(
                    base + idSuffix,
                    "not set, although there \(secret != nil ? "is a secret" : "are scopes")",
                    allowed: "the id of the application at the provider")
            }
        }
        return clients
    }

    private static func services(_ environment: Environment) -> [String] {
        let names = environment.names(beginningWith: prefix).compactMap { name in
            [fileSuffix, secretSuffix, idSuffix, scopesSuffix].first { name.hasSuffix($0) }
                .map { String(name.dropFirst(prefix.count).dropLast($0.count)) }
        }
        return Set(names).filter { !$0.isEmpty }.sorted()
    }

    /// Scopes as RFC 6749, 3.3 spells them; nil when one is not, or there is none.
    private static func scopes(_ text: String) -> [String]? {
        let scopes = text.split { $0 == "," || $0 == " " }.map(String.init)
        let areSpelled = scopes.allSatisfy { scope in
            scope.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
        }
        return scopes.isEmpty || !areSpelled ? nil : scopes
    }
}
