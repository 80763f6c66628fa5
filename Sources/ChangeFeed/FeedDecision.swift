// SPDX-License-Identifier: Apache-2.0

import Model
public import SyncStore
public import Webhooks

/// What a pass over a page means for the subscription.
public enum FeedDecision {
    /// Until a subscription without changes is looked at again.
    public static let idleWait: Duration = .seconds(1)

    /// Decides how the pass ends. `outcomes` has those changes of the page that were tried, and `wait` gives the wait after
    /// an attempt by its number, nil after the last one.
    ///
    /// Nothing behind the page is told before all of it is settled: acknowledged, or given up. As the changes of a page are of
    /// different records, one that fails holds no other one of the page up.
    public static func end(
        _ page: FeedPage, at place: FeedPlace, horizon: Int64, outcomes: [ChangeCursor: DeliveryOutcome],
        wait: (Int) -> Duration?
    ) -> FeedSave {
        var save = FeedSave(cursor: place.cursor, wait: .zero)
        var isSettled = true
        for change in page.changes {
            let verdict = settle(change, outcomes[change.cursor], base: place.base, wait: wait)
            save.isGone = save.isGone || verdict.isGone
            save.error = save.error ?? verdict.error
            save.wait = max(save.wait, verdict.wait)
            if let kind = verdict.told {
                save.delivered += 1
                switch kind {
                case .added: save.added.append(FeedSave.AddedRecord(change))
                case .deleted: save.deleted.append(change.cursor.row)
                case .updated: break
                }
            }
            if verdict.isSettled, isSettled {
                save.cursor = change.cursor
                if let entry = verdict.entry, entry.outcome == .dead { save.entries.append(entry) }
            } else {
                isSettled = false
                if let entry = verdict.entry { save.entries.append(entry) }
            }
        }
        guard isSettled else { return save }
        if let end = page.end { save.cursor = max(save.cursor, end) }
        if !page.hasMore {
            // All that happened before the horizon is told.
            save.cursor = max(save.cursor, ChangeCursor(transaction: horizon, row: 0))
            save.horizon = horizon
            save.wait = Self.idleWait
        }
        return save
    }

    /// Decides about a dead letter that was told once more.
    public static func replayed(
        _ change: FeedChange, _ outcome: DeliveryOutcome?, wait: (Int) -> Duration?
    ) -> FeedEntry? {
        let event = change.event ?? ""
        switch outcome {
        case nil: return nil
        case .delivered: return FeedEntry(change, event: event, .done)
        case .gone: return FeedEntry(change, event: event, .dead, error: DeliveryOutcome.goneReason)
        case .failed(let reason, let notBefore):
            let wait = wait(change.attempts + 1).map { max($0, notBefore ?? .zero) }
            return FeedEntry(change, event: event, .dead, error: reason, wait: wait)
        }
    }

    private struct Verdict {
        var entry: FeedEntry?
        var isSettled = false
        /// As what it was acknowledged by this pass.
        var told: FeedEvent.Kind?
        var isGone = false
        var error: String?
        var wait: Duration = .zero
    }

    private static func settle(
        _ change: FeedChange, _ outcome: DeliveryOutcome?, base: ChangeCursor, wait: (Int) -> Duration?
    ) -> Verdict {
        if change.isDone { return Verdict(isSettled: true) }
        let kind = FeedEvent(change, for: 0, base: base).kind
        let event = kind.rawValue
        switch outcome {
        case nil: return Verdict()
        case .delivered:
            return Verdict(entry: FeedEntry(change, event: event, .done), isSettled: true, told: kind)
        case .gone: return Verdict(isGone: true, error: DeliveryOutcome.goneReason)
        case .failed(let reason, let notBefore):
            if let wait = wait(change.attempts + 1) {
                return Verdict(
                    entry: FeedEntry(change, event: event, .failing, error: reason), error: reason,
                    wait: max(wait, notBefore ?? .zero))
            }
            return Verdict(
                entry: FeedEntry(change, event: event, .dead, error: reason), isSettled: true, error: reason)
        }
    }
}
