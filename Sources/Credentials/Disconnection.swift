// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model
public import OAuth
import PageScanner
public import SyncStore
public import Vault

/// Ends the use of an account: its tokens are given back to the provider, and the credential is deleted. The records stay.
public struct Disconnection: Sendable {
    /// What became of the tokens at the provider.
    public enum Revocation: Sendable, Equatable {
        /// The provider has taken them back.
        case revoked
        /// The provider has no way to take them back that the connector knows.
        case unsupported
        /// There was no credential.
        case nothingStored
        /// The provider did not take them back; the credential is still there, to try again.
        case failed(String)
        /// As `failed`, and the credential was deleted all the same.
        case givenUp(String)
    }

    private let vault: CredentialVault
    private let credentials: CredentialStore
    private let integrations: IntegrationStore
    private let http: HTTPClient

    /// A refresh that another process is in the middle of ends within its lease.
    private static let longestWait: Duration = .seconds(40)
    private static let pollInterval: Duration = .milliseconds(100)
    /// A refresh that ends late stores one more version.
    private static let tries = 3

    /// What disconnecting needs.
    public init(
        vault: CredentialVault, credentials: CredentialStore, integrations: IntegrationStore, http: HTTPClient
    ) {
        self.vault = vault
        self.credentials = credentials
        self.integrations = integrations
        self.http = http
    }

    /// Stops all work on the integration at once, waits for a refresh under way, gives the tokens back and deletes them.
    ///
    /// With `force` the credential is deleted also when the provider did not answer, or it cannot be opened.
    public func run(
        _ id: Int64, profile: OAuthProfile?, client: OAuthClient?, force: Bool
    ) async throws(CredentialError) -> Revocation {
        do throws(StoreError) {
            try await integrations.disconnect(id)
            var revocation = Revocation.nothingStored
            for _ in 0..<Self.tries {
                guard let credential = try await settled(id) else { return revocation }
                revocation = await revoke(credential, of: id, profile, client)
                if case .failed(let reason) = revocation {
                    guard force else { return revocation }
                    revocation = .givenUp(reason)
                }
                if try await credentials.delete(id, version: credential.version) { return revocation }
            }
            throw StoreError(.unavailable, "the credential of integration \(id) is changed all the time")
        } catch {
            throw CredentialError(error)
        }
    }

    /// The credential once no refresh is under way.
    private func settled(_ id: Int64) async throws(StoreError) -> StoredCredential? {
        let limit = ContinuousClock.now + Self.longestWait
        while true {
            guard let state = try await credentials.read(id), let credential = state.credential else {
                return nil
            }
            if !state.isBeingRefreshed || ContinuousClock.now >= limit { return credential }
            do {
                try await ContinuousClock().sleep(for: Self.pollInterval)
            } catch {
                throw StoreError(.cancelled, "cancelled while a refresh was under way")
            }
        }
    }

    private func revoke(
        _ credential: StoredCredential, of id: Int64, _ profile: OAuthProfile?, _ client: OAuthClient?
    ) async -> Revocation {
        guard let profile, profile.revocation != nil else { return .unsupported }
        let request: HTTPRequest?
        do {
            let object = try await integrations.configuration(of: id) ?? "{}"
            let secrets = try vault.open(
                credential.ciphertext, for: id, kind: credential.kind, version: credential.version)
            request = try TokenRequests(
                profile: profile, client: client, secrets: secrets,
                configuration: ConfigurationText.members(of: Array(object.utf8))
            ).revocation()
        } catch let error as StoreError {
            return .failed(error.message)
        } catch let error as VaultError {
            return .failed(error.message)
        } catch let error as OAuthError {
            return .failed(error.message)
        } catch {
            return .failed("unexpected error: \(error)")
        }
        guard let request else { return .unsupported }
        let outcome: Result<HTTPResponse, HTTPError>
        do throws(HTTPError) {
            outcome = .success(try await http.send(request))
        } catch {
            outcome = .failure(error)
        }
        guard let failure = TokenAnswer.revocationFailure(outcome, profile) else { return .revoked }
        return .failed("\(failure.code): \(failure.detail)")
    }
}

extension Disconnection.Revocation {
    /// A word for programs; it never changes its meaning.
    public var word: String {
        switch self {
        case .revoked: "revoked"
        case .unsupported: "unsupported"
        case .nothingStored: "nothing_stored"
        case .failed: "failed"
        case .givenUp: "given_up"
        }
    }

    /// Why the provider did not take the tokens back; nil when nothing went wrong.
    public var reason: String? {
        switch self {
        case .failed(let reason), .givenUp(let reason): reason
        case .revoked, .unsupported, .nothingStored: nil
        }
    }
}
