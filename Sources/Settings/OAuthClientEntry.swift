// SPDX-License-Identifier: Apache-2.0

public import Model

/// An application that an operator has registered with a provider.
public struct OAuthClientEntry: Sendable, Hashable {
    /// The public name of the application.
    public let id: String
    /// What proves it; nil for a public client.
    public let secret: SecretString?

    private static let prefix = "LOCKSTEP_OAUTH_"
    private static let idSuffix = "_CLIENT_ID"
    private static let secretSuffix = "_CLIENT_SECRET"
    private static let fileSuffix = "_CLIENT_SECRET_FILE"

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
            let secret = secret(base, &environment, readFile)
            if let id {
                clients[service] = OAuthClientEntry(id: id, secret: secret)
            } else if secret != nil {
                environment.report(
                    base + idSuffix, "not set, although there is a secret",
                    allowed: "the id of the application at the provider")
            }
        }
        return clients
    }

    private static func services(_ environment: Environment) -> [String] {
        let names = environment.names(beginningWith: prefix).compactMap { name in
            [fileSuffix, secretSuffix, idSuffix].first { name.hasSuffix($0) }
                .map { String(name.dropFirst(prefix.count).dropLast($0.count)) }
        }
        return Set(names).filter { !$0.isEmpty }.sorted()
    }

    private static func secret(
        _ base: String, _ environment: inout Environment,
        _ readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> SecretString? {
        let secret = environment.secret(base + secretSuffix, allowed: "text") { _ in nil }
        let path = environment.optional(
            base + fileSuffix, allowed: "the path of a file with the secret", show: { $0 }, parse: { $0 })
        guard let path else { return secret }
        guard secret == nil else {
            environment.report(
                base + fileSuffix, "set together with \(base + secretSuffix)", allowed: "one of the two")
            return secret
        }
        switch readFile(path) {
        case .success(let content):
            // The line end that editors leave is no part of it.
            return SecretString(String(content.exposed.filter { !$0.isNewline }))
        case .failure(let refusal):
            environment.report(base + fileSuffix, refusal.reason, allowed: "a readable file with the secret")
            return nil
        }
    }
}
