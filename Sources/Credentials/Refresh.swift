// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import OAuth
import SyncStore
import Vault

/// One caller's way to usable secrets: by what is stored, by waiting for another process, or by asking the provider.
struct Refresh: Sendable {
    let keeper: CredentialKeeper
    let target: RefreshTarget

    /// What this way stands at after a step.
    private enum Step {
        case done(HeldSecrets)
        case again
    }

    /// Secrets that are kept although a newer token is due are looked at again after this time.
    private static let secondLook: Duration = .seconds(10)
    /// For a provider that limits without saying until when.
    private static let unstatedWait: Duration = .seconds(30)
    /// For a fault that only an operator mends.
    private static let configurationWait: Duration = .seconds(60)

    func run(refused: Int64?) async -> RefreshFlights.Outcome {
        do throws(ConnectorError) {
            return .success(try await secrets(refused: refused))
        } catch {
            return .failure(error)
        }
    }

    private func secrets(refused: Int64?) async throws(ConnectorError) -> HeldSecrets {
        let limit = ContinuousClock.now + keeper.configuration.longestWait
        while ContinuousClock.now < limit {
            let (facts, secrets) = try await look()
            switch RefreshDecision(facts, refused: refused) {
            case .use: return held(secrets, facts)
            case .refresh:
                if case .done(let held) = try await attempt(facts, secrets, refused: refused) { return held }
            case .wait: break
            case .failed(let wait):
                throw problem(.transient, "refresh_failed", "a refresh failed a moment ago", retryAfter: wait)
            case .revoked(let reason):
                throw problem(
                    .authRevoked, reason, "the provider refuses the credential (\(reason))",
                    version: facts.version)
            case .missing:
                throw problem(.config, "credential_missing", "the integration has no usable credential")
            }
            await pause()
        }
        throw problem(
            .transient, "refresh_busy",
            "another process did not end its refresh within \(keeper.configuration.longestWait)")
    }

    // MARK: - What is stored

    private func look() async throws(ConnectorError) -> (RefreshDecision.Facts, Secrets) {
        let state: CredentialState?
        do throws(StoreError) {
            state = try await keeper.store.read(target.id)
        } catch {
            throw problem(.transient, "cluster_unavailable", error.message)
        }
        guard let state, let credential = state.credential, state.integrationStatus != "disconnected" else {
            return (RefreshDecision.Facts(), Secrets([:]))
        }
        let secrets = Secrets(try open(credential), version: credential.version)
        return (
            RefreshDecision.Facts(
                version: credential.version, hasToken: target.hasToken(secrets.values),
                isRenewable: target.isRenewable(secrets.values), expiresIn: state.expiresIn,
                refreshIn: state.refreshIn, refusedReason: state.refusedReason,
                isBeingRefreshed: state.isBeingRefreshed, refreshWait: state.refreshWait), secrets
        )
    }

    private func open(_ credential: StoredCredential) throws(ConnectorError) -> [String: SecretString] {
        do throws(VaultError) {
            return try keeper.vault.open(
                credential.ciphertext, for: target.id, kind: credential.kind, version: credential.version)
        } catch {
            throw problem(.config, "credential_unreadable", error.message)
        }
    }

    private func held(_ secrets: Secrets, _ facts: RefreshDecision.Facts) -> HeldSecrets {
        guard facts.isRenewable, let wait = facts.refreshIn else {
            return HeldSecrets(secrets: secrets, lookAgainAt: nil)
        }
        return HeldSecrets(secrets: secrets, lookAgainAt: .now + max(wait, Self.secondLook))
    }

    // MARK: - Asking the provider

    private func attempt(
        _ facts: RefreshDecision.Facts, _ secrets: Secrets, refused: Int64?
    ) async throws(ConnectorError) -> Step {
        guard let profile = target.profile, let version = facts.version else { return .again }
        let lease = keeper.configuration.lease
        // Each try has a name of its own: a process that lost a claim cannot end the next one of itself.
        let owner = "\(keeper.owner)/\(UInt64.random(in: 0...UInt64.max))"
        guard await keeper.lock.acquire(target.id, owner: owner, lease: lease) else { return .again }
        keeper.configuration.observe(.locked)
        let begun = ContinuousClock.now
        let claim: RefreshClaim?
        do throws(StoreError) {
            claim = try await keeper.store.claimRefresh(
                of: target.id, version: version, owner: owner, lease: lease)
        } catch {
            await keeper.lock.release(target.id, owner: owner)
            throw problem(.transient, "cluster_unavailable", error.message)
        }
        guard let claim else {
            await keeper.lock.release(target.id, owner: owner)
            return .again
        }
        keeper.configuration.observe(.claimed)
        let result: Result<Step, ConnectorError>
        do throws(ConnectorError) {
            result = .success(
                try await ask(profile, claim, secrets, facts, owner: owner, begun: begun, refused))
        } catch {
            result = .failure(error)
        }
        await keeper.lock.release(target.id, owner: owner)
        return try result.get()
    }

    private func ask(
        _ profile: OAuthProfile, _ claim: RefreshClaim, _ secrets: Secrets, _ facts: RefreshDecision.Facts,
        owner: String, begun: ContinuousClock.Instant, _ refused: Int64?
    ) async throws(ConnectorError) -> Step {
        var request: HTTPRequest
        do throws(OAuthError) {
            request = try TokenRequests(
                profile: profile, client: target.client, secrets: secrets.values,
                configuration: target.configuration
            ).renewal(now: claim.now)
        } catch {
            try await release(claim, owner, inDoubt: claim.isInDoubt, wait: Self.configurationWait)
            throw problem(.config, "oauth_config", error.message)
        }
        request.timeout = keeper.configuration.requestTimeout
        // A process that slept since it claimed must not send: another one may have used the token by now.
        guard ContinuousClock.now - begun + request.timeout < keeper.configuration.lease else {
            return .again
        }
        let outcome: Result<HTTPResponse, HTTPError>
        let sent = ContinuousClock.now
        do throws(HTTPError) {
            outcome = .success(try await keeper.http.send(request))
        } catch {
            outcome = .failure(error)
        }
        let duration = ContinuousClock.now - sent
        keeper.configuration.observe(.answered)
        let answer = TokenAnswer.read(outcome, profile)
        keeper.recorder?.record(
            ProviderExchange(outcome, answer, of: target.id, service: target.service, duration: duration))
        switch answer {
        case .success(let grant): return try await keep(grant, claim, secrets)
        case .failure(let failure):
            return try await settle(failure, claim, owner, secrets, facts, refused)
        }
    }

    /// Stores what came, before anybody uses it.
    private func keep(
        _ grant: TokenGrant, _ claim: RefreshClaim, _ secrets: Secrets
    ) async throws(ConnectorError) -> Step {
        var values = secrets.values
        values["access_token"] = grant.accessToken
        // Without a new refresh token the old one stays valid (RFC 6749, section 6).
        if let token = grant.refreshToken { values["refresh_token"] = token }
        let version = claim.credential.version + 1
        let sealed: SealedSecrets
        do throws(VaultError) {
            sealed = try CredentialWriter(vault: keeper.vault, store: keeper.store).seal(
                values, .oauth2, grant.lifetime, grant.scopes, version: version, target.id)
        } catch {
            throw problem(.config, "credential_unsealable", error.message)
        }
        guard try await store(sealed) else { return .again }
        keeper.configuration.observe(.stored)
        return .done(
            HeldSecrets(
                secrets: Secrets(values, version: version),
                lookAgainAt: grant.lifetime.map { .now + $0.refreshDelay }))
    }

    /// False when somebody stored another credential meanwhile. Postgres may be away for a while: the tokens exist only here.
    private func store(_ sealed: SealedSecrets) async throws(ConnectorError) -> Bool {
        let limit = ContinuousClock.now + keeper.configuration.longestStoring
        var isUnknown = false
        while true {
            do throws(StoreError) {
                if try await keeper.store.storeRefreshed(sealed, of: target.id) { return true }
                guard isUnknown else { return false }
                // The statement whose answer was lost may be what put this version there.
                return try await keeper.store.read(target.id)?.credential?.ciphertext == sealed.ciphertext
            } catch {
                guard error.code == .unavailable || error.code == .commitUnknown, ContinuousClock.now < limit
                else { throw problem(.transient, "refresh_not_stored", error.message) }
                if !isUnknown {
                    keeper.logger.error(
                        "a refreshed token waits for Postgres",
                        metadata: ["integration.id": "\(target.id)", "error": "\(error.message)"])
                }
                isUnknown = true
            }
            await pause()
        }
    }

    /// What a failed request leaves behind.
    private func settle(
        _ failure: TokenFailure, _ claim: RefreshClaim, _ owner: String, _ secrets: Secrets,
        _ facts: RefreshDecision.Facts, _ refused: Int64?
    ) async throws(ConnectorError) -> Step {
        let version = claim.credential.version
        switch failure.kind {
        case .reconnect:
            let (code, detail) =
                claim.isInDoubt
                ? (
                    "refresh_interrupted",
                    "an earlier refresh was interrupted after the provider may have taken the refresh token, "
                        + "and it does not take it again: \(failure.detail)"
                ) : (failure.code, failure.detail)
            guard try await refuse(version, code, detail) else { return .again }
            throw problem(.authRevoked, code, detail, version: version)
        case .config:
            try await release(claim, owner, inDoubt: claim.isInDoubt, wait: Self.configurationWait)
            if isUsable(facts, refused) { return .done(held(secrets, facts)) }
            throw problem(.config, failure.code, failure.detail)
        case .rateLimited, .transient:
            let limited = failure.kind == .rateLimited
            let wait = failure.retryAfter ?? (limited ? Self.unstatedWait : nil)
            try await release(
                claim, owner, inDoubt: claim.isInDoubt || failure.mayHaveTakenEffect, wait: wait)
            keeper.logger.warning(
                "a token was not refreshed",
                metadata: [
                    "integration.id": "\(target.id)", "code": "\(failure.code)",
                    "detail": "\(failure.detail)",
                ])
            if isUsable(facts, refused) { return .done(held(secrets, facts)) }
            throw problem(
                limited ? .rateLimited : .transient, failure.code, failure.detail, retryAfter: wait)
        }
    }

    private func isUsable(_ facts: RefreshDecision.Facts, _ refused: Int64?) -> Bool {
        facts.hasToken && (facts.expiresIn.map { $0 > .zero } ?? true)
            && (refused.map { (facts.version ?? 0) > $0 } ?? true)
    }

    private func release(
        _ claim: RefreshClaim, _ owner: String, inDoubt: Bool, wait: Duration?
    ) async throws(ConnectorError) {
        do throws(StoreError) {
            try await keeper.store.releaseRefresh(
                of: target.id, version: claim.credential.version, owner: owner, isInDoubt: inDoubt, wait: wait
            )
        } catch {
            throw problem(.transient, "cluster_unavailable", error.message)
        }
    }

    private func refuse(
        _ version: Int64, _ code: String, _ detail: String
    ) async throws(ConnectorError) -> Bool {
        do throws(StoreError) {
            return try await keeper.store.refuse(
                target.id, version: version, reason: code, title: "\(target.title) has to be connected again",
                detail: detail)
        } catch {
            throw problem(.transient, "cluster_unavailable", error.message)
        }
    }

    private func pause() async {
        // The work belongs to no caller that could cancel it.
        do { try await ContinuousClock().sleep(for: keeper.configuration.pollInterval) } catch { return }
    }

    private func problem(
        _ errorClass: ErrorClass, _ code: String, _ detail: String, retryAfter: Duration? = nil,
        version: Int64? = nil
    ) -> ConnectorError {
        let message =
            switch errorClass {
            case .authRevoked: "\(target.title) has to be connected again."
            case .config: "\(target.title) is not fully set up."
            case .rateLimited: "\(target.title) is limiting requests. The sync continues in a while."
            default: "\(target.title) did not answer as expected. The sync is tried again."
            }
        return ConnectorError(
            errorClass, code: code, userMessage: message, operatorDetail: "token refresh: \(detail)",
            retryAfter: retryAfter, refusedVersion: version)
    }
}
