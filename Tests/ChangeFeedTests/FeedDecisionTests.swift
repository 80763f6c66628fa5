// SPDX-License-Identifier: Apache-2.0

import ChangeFeed
import Model
import Testing
import Webhooks

@testable import SyncStore

private func at(_ transaction: Int64, _ row: Int64 = 1) -> ChangeCursor {
    ChangeCursor(transaction: transaction, row: row)
}

private func change(
    _ transaction: Int64, alive: Int64? = nil, deleted: Bool = false, attempts: Int = 0, done: Bool = false,
    known: Bool? = nil
) -> FeedChange {
    FeedChange(
        cursor: at(transaction), integrationID: 1, stream: "s", externalID: "r\(transaction)",
        isDeleted: deleted,
        aliveSince: alive, event: nil, changedAt: Timestamp(seconds: 0), data: Array("{}".utf8),
        attempts: attempts,
        isDone: done, isKnown: known)
}

private let place = FeedPlace(cursor: at(9), base: at(9))
private let failure = DeliveryOutcome.failed(reason: "status 500", notBefore: nil)

private func end(
    _ changes: [FeedChange], _ outcomes: [ChangeCursor: DeliveryOutcome], hasMore: Bool = false,
    lookedAt: ChangeCursor? = nil
) -> FeedSave {
    FeedDecision.end(
        FeedPage(changes: changes, end: lookedAt ?? changes.last?.cursor, hasMore: hasMore), at: place,
        horizon: 100, outcomes: outcomes, wait: { $0 < 3 ? .seconds(Int64($0)) : nil })
}

@Suite struct `A pass over a page` {
    @Test func `whose changes are all acknowledged ends at the horizon, or goes on behind them`() {
        let changes = [change(10), change(11)]
        let all: [ChangeCursor: DeliveryOutcome] = [at(10): .delivered, at(11): .delivered]
        let last = end(changes, all)
        #expect(last.cursor == at(100, 0) && last.horizon == 100)
        #expect(last.delivered == 2 && last.entries.isEmpty && last.wait == FeedDecision.idleWait)
        let more = end(changes, all, hasMore: true)
        #expect(more.cursor == at(11) && more.horizon == nil && more.wait == .zero)
    }

    @Test func `that found nothing of the subscription's goes on behind what it looked at`() {
        #expect(end([], [:], hasMore: true, lookedAt: at(60)).cursor == at(60))
    }

    @Test func `stops before a change that failed, and remembers what was acknowledged behind it`() {
        let save = end(
            [change(10), change(11), change(12), change(13)],
            [at(10): .delivered, at(11): failure, at(12): .delivered])
        #expect(save.cursor == at(10) && save.horizon == nil)
        #expect(save.entries.map(\.outcome) == [.failing, .done])
        #expect(save.entries.map(\.cursor) == [at(11), at(12)])
        #expect(save.wait == .seconds(1) && save.error == "status 500" && save.delivered == 2)
    }

    @Test func `does not count again what was acknowledged before, and passes it when the rest is settled`() {
        let save = end([change(11, attempts: 1), change(12, done: true)], [at(11): .delivered])
        #expect(save.delivered == 1 && save.cursor == at(100, 0))
    }

    @Test func `gives a change up after its last attempt, and goes on`() {
        let save = end([change(10, attempts: 2), change(11)], [at(10): failure, at(11): .delivered])
        #expect(save.entries.map(\.outcome) == [.dead])
        #expect(save.cursor == at(100, 0) && save.error == "status 500")
    }

    @Test func `waits as long as the receiver asked for`() {
        let save = end([change(10)], [at(10): .failed(reason: "status 429", notBefore: .seconds(90))])
        #expect(save.wait == .seconds(90))
    }

    @Test func `ends the subscription when the receiver is gone, and gives nothing up`() {
        let save = end([change(10), change(11)], [at(10): .gone, at(11): .delivered])
        #expect(save.isGone && save.cursor == at(9))
        #expect(save.entries.map(\.outcome) == [.done])
    }
}

@Suite struct `What a pass notes of records` {
    @Test func `are those that were acknowledged as new or deleted, and no other ones`() {
        let save = end(
            [change(10, alive: 10), change(11), change(12, deleted: true), change(13, alive: 13)],
            [at(10): .delivered, at(11): .delivered, at(12): .delivered, at(13): failure])
        #expect(save.added == [FeedSave.AddedRecord(change(10, alive: 10))])
        #expect(save.deleted == [1])
    }
}

@Suite struct `An event of the feed` {
    private func kind(_ change: FeedChange, base: ChangeCursor) -> FeedEvent.Kind {
        FeedEvent(change, for: 3, base: base).kind
    }

    @Test func `says added for what the receiver has not heard of, also when it changed once more`() {
        #expect(kind(change(20, alive: 20), base: at(15)) == .added)
        #expect(kind(change(20, alive: 17), base: at(15)) == .added)
        #expect(kind(change(20, alive: 14), base: at(15)) == .updated)
        // Of a record that is older than this is noted.
        #expect(kind(change(20), base: at(15)) == .updated)
        #expect(kind(change(20), base: .start) == .added)
        #expect(kind(change(20, alive: 20, deleted: true), base: at(15)) == .deleted)
        // A mark knows better.
        #expect(kind(change(20, alive: 17, known: true), base: at(15)) == .updated)
        #expect(kind(change(20, alive: 14, known: false), base: at(15)) == .added)
    }

    @Test func `has an id and a body that no attempt changes`() {
        let event = FeedEvent(change(255), for: 3, base: at(300))
        #expect(event == FeedEvent(change(255), for: 3, base: at(300)))
        #expect(event.id == "evt_3_00000000000000ff0000000000000001")
        #expect(
            String(decoding: event.body, as: UTF8.self)
                == #"{"type":"record.updated","cursor":"00000000000000ff0000000000000001","#
                + #""occurred_at":"1970-01-01T00:00:00Z","data":{}}"#)
    }

    @Test func `has a cursor whose order as text is that of the changes`() throws {
        let cursors = [at(0, 0), at(9, 400), at(10, 2), at(10, 30), at(1 << 40, 1)]
        #expect(cursors.map(\.description).sorted() == cursors.map(\.description))
        for cursor in cursors { #expect(ChangeCursor(cursor.description) == cursor) }
        for text in ["", "start", String(repeating: "f", count: 32), String(repeating: "G", count: 32), "-1"]
        {
            #expect(ChangeCursor(text) == nil)
        }
    }
}
