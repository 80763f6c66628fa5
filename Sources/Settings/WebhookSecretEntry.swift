// SPDX-License-Identifier: Apache-2.0

public import Model

/// What the notifications of a service are signed with: `LOCKSTEP_WEBHOOK_<SERVICE>_SECRET` or `_SECRET_FILE`.
enum WebhookSecretEntry {
    private static let prefix = "LOCKSTEP_WEBHOOK_"
    private static let suffix = "_SECRET"
    private static let fileSuffix = "_SECRET_FILE"
    private static let allowed = "one secret, or several with white space between them while one is rolled"

    /// Reads the secrets of all services that have a variable.
    static func read(
        _ environment: inout Environment, readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> [String: SecretString] {
        var secrets: [String: SecretString] = [:]
        for service in services(environment) {
            let base = prefix + service
            let secret = environment.secret(base + suffix, allowed: allowed) { _ in nil }
            let path = environment.optional(
                base + fileSuffix, allowed: "the path of a file with the secret", show: { $0 }, parse: { $0 })
            if let path, secret != nil {
                environment.report(
                    base + fileSuffix, "set to \(path) together with \(base + suffix)",
                    allowed: "one of the two")
            } else if let path {
                switch readFile(path) {
                case .success(let content): secrets[service] = content
                case .failure(let refusal):
                    environment.report(
                        base + fileSuffix, refusal.reason, allowed: "a readable file with the secret")
                }
            } else if let secret {
                secrets[service] = secret
            }
        }
        return secrets
    }

    private static func services(_ environment: Environment) -> [String] {
        let names = environment.names(beginningWith: prefix).compactMap { name in
            [fileSuffix, suffix].first { name.hasSuffix($0) }
                .map { String(name.dropFirst(prefix.count).dropLast($0.count)) }
        }
        return Set(names).filter { !$0.isEmpty }.sorted()
    }
}

extension ClusterSettings {
    /// `LOCKSTEP_WEBHOOK_<SERVICE>_SECRET` or `_SECRET_FILE`, as one text; nil when the service has none.
    public func webhookSecret(for service: String) -> SecretString? {
        webhookSecrets[OAuthClientEntry.spelling(of: service)]
    }
}
