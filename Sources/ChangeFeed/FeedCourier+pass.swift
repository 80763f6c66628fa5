// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Logging
import Model
import SyncStore
import Vault
import Webhooks

extension FeedCourier {
    /// Tells what is next, and saves what came of it.
    func pass(_ turn: Turn) async throws(StoreError) {
        let subscription = turn.subscription
        let signer: WebhookSigner
        switch opened(subscription) {
        case .success(let found): signer = found
        case .failure(let problem): return try await give(turn, up: problem.message)
        }

        let dead = try await store.revived(of: subscription.id, limit: Self.pageSize)
        let replayed = await tell(dead.changes, turn, signer)
        let place = subscription.place
        let page = try await store.page(of: subscription, limit: Self.pageSize)
        let outcomes = await tell(page.changes.filter { !$0.isDone }, turn, signer, base: place.base)
        var save = FeedDecision.end(
            page, at: place, horizon: subscription.horizon, outcomes: outcomes, wait: delay)
        save.entries += dead.changes.compactMap {
            FeedDecision.replayed($0, replayed[$0.cursor], wait: delay)
        }
        save.entries += dead.movedOn.map { FeedEntry($0, event: $0.event ?? "", .done) }
        save.delivered += replayed.values.count { $0 == .delivered }
        save.isGone = save.isGone || replayed.values.contains(.gone)
        report(save, of: subscription.id)
        // A shutdown does not cut this off, so that what was told is known, and somebody else goes on at once.
        let (store, end) = (store, save)
        let saved = await Task {
            do throws(StoreError) {
                return Result<Bool, StoreError>.success(
                    try await store.save(end, of: subscription.id, owner: turn.owner))
            } catch {
                return .failure(error)
            }
        }.value
        if !(try saved.get()) {
            logger.notice(
                "a subscription was somebody else's before its pass was saved; events are told again",
                metadata: ["subscription": "\(subscription.id)"])
        }
    }

    /// Why nothing can be signed.
    private struct SecretProblem: Error {
        let message: String
    }

    private func opened(_ subscription: ClaimedSubscription) -> Result<WebhookSigner, SecretProblem> {
        do throws(VaultError) {
            return try FeedSecret.signer(of: subscription, vault).map(Result.success)
                ?? .failure(
                    SecretProblem(message: "the stored secret signs nothing; add the subscription anew"))
        } catch {
            return .failure(SecretProblem(message: error.message))
        }
    }

    private func delay(afterAttempt attempt: Int) -> Duration? {
        var generator = SystemRandomNumberGenerator()
        return policy.delay(afterAttempt: attempt, using: &generator)
    }

    /// Sends changes in their order, some at a time; none any more after one failed, or when the pass has lasted too long.
    private func tell(
        _ changes: [FeedChange], _ turn: Turn, _ signer: WebhookSigner, base: ChangeCursor = .start
    ) async -> [ChangeCursor: DeliveryOutcome] {
        var outcomes: [ChangeCursor: DeliveryOutcome] = [:]
        var rest = changes[...]
        await withTaskGroup(of: (ChangeCursor, DeliveryOutcome).self) { group in
            func next() {
                guard !turn.isOver, !Task.isCancelled, let change = rest.popFirst() else { return }
                group.addTask { (change.cursor, await send(change, turn, signer, base)) }
            }
            for _ in 0..<Self.requests { next() }
            for await (cursor, outcome) in group {
                // An answer that a shutdown cut off tells nothing of the receiver.
                if outcome != .delivered, Task.isCancelled { continue }
                outcomes[cursor] = outcome
                if outcome == .delivered { next() } else { rest = [] }
            }
        }
        return outcomes
    }

    private func send(
        _ change: FeedChange, _ turn: Turn, _ signer: WebhookSigner, _ base: ChangeCursor
    ) async -> DeliveryOutcome {
        let event = FeedEvent(change, for: turn.subscription.id, base: base)
        do throws(CryptoError) {
            let request = try signer.request(
                to: turn.subscription.url, id: event.id, at: turn.now, body: event.body)
            return await http.deliver(request)
        } catch {
            return .failed(reason: error.message, notBefore: nil)
        }
    }

    /// Gives the subscription back with what keeps anybody from telling anything.
    private func give(_ turn: Turn, up reason: String) async throws(StoreError) {
        var save = FeedSave(cursor: turn.subscription.place.cursor, wait: Self.secretWait)
        save.error = reason
        report(save, of: turn.subscription.id)
        _ = try await store.save(save, of: turn.subscription.id, owner: turn.owner)
    }

    private func report(_ save: FeedSave, of id: Int64) {
        let dead = save.entries.count { $0.outcome == .dead && $0.wait == nil }
        if save.isGone {
            logger.error("a receiver wants no more changes", metadata: ["subscription": "\(id)"])
        } else if dead > 0 {
            logger.error(
                "changes are given up", metadata: ["subscription": "\(id)", "events": "\(dead)"])
        }
        if let error = save.error {
            logger.warning(
                "changes are told later", metadata: ["subscription": "\(id)", "error": "\(error)"])
        }
    }
}
