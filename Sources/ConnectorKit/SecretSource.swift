// SPDX-License-Identifier: Apache-2.0

public import Model

/// The secret fields of an integration's credential, as of one version of it.
public struct Secrets: Sendable {
    /// The fields by name, such as `api_key` or `access_token`.
    public let values: [String: SecretString]
    /// The version of the stored credential; nil when it is not a stored one.
    public let version: Int64?

    /// The fields of one version.
    public init(_ values: [String: SecretString], version: Int64? = nil) {
        self.values = values
        self.version = version
    }
}

/// Where the secrets of an integration come from while a job runs: they may change in the middle of it.
public protocol SecretSource: Sendable {
    /// The fields that were last known, without waiting; a token may be missing that is still to be asked for.
    var known: Secrets { get }

    /// The secrets to use now. Waits while a token that is about to expire is renewed.
    ///
    /// Throws `auth_revoked` when the user has to connect again.
    func current() async throws(ConnectorError) -> Secrets

    /// The secrets to use after the provider refused these: renewed ones, or those that somebody stored meanwhile. The
    /// same ones when nothing can renew them.
    func replacement(for refused: Secrets) async throws(ConnectorError) -> Secrets
}

/// Secrets that stay as they are, for tools and tests.
public struct FixedSecrets: SecretSource {
    /// The secrets.
    public let known: Secrets

    /// A source of these alone.
    public init(_ secrets: [String: SecretString]) {
        known = Secrets(secrets)
    }

    /// The secrets.
    public func current() async throws(ConnectorError) -> Secrets { known }

    /// The same secrets.
    public func replacement(for refused: Secrets) async throws(ConnectorError) -> Secrets { known }
}

extension ProviderAccess {
    /// Runs `body` with the current secrets. When the provider refuses them (class `auth`), gets others once and runs `body`
    /// once more; a second refusal is `auth_revoked`, and names the version that was refused.
    public func withSecrets<Result>(
        _ body: (Secrets) async throws(ConnectorError) -> Result
    ) async throws(ConnectorError) -> Result {
        let secrets = try await credential.current()
        do throws(ConnectorError) {
            return try await body(secrets)
        } catch {
            guard error.errorClass == .auth else { throw error }
        }
        let replacement = try await credential.replacement(for: secrets)
        do throws(ConnectorError) {
            return try await body(replacement)
        } catch {
            guard error.errorClass == .auth else { throw error }
            throw ConnectorError(
                .authRevoked, code: error.code, userMessage: error.userMessage,
                operatorDetail: error.operatorDetail, status: error.status,
                refusedVersion: replacement.version)
        }
    }
}
