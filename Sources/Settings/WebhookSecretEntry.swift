// SPDX-License-Identifier: Apache-2.0

public import Model

/// What the notifications of a service are signed with: `LOCKSTEP_WEBHOOK_<SERVICE>_SECRET` or `_SECRET_FILE`.
enum WebhookSecretEntry {
    private static let prefix = "LOCKSTEP_WEBHOOK_"
    private static let suffix = "_SECRET"
    private static let fileSuffix = "_SECRET_FILE"
    private static let form = "one secret, or several with white space between them while one is rolled"

    /// Reads the secrets of all services that have a variable.
    static func read(
        _ environment: inout Environment, readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> [String: SecretString] {
        var secrets: [String: SecretString] = [:]
        for service in services(environment) {
            secrets[service] =
                environment.secretOrFile(
                    prefix + service + suffix, form: form, isOneLine: false, readFile: readFile)?.value
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
