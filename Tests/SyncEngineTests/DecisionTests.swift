// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import SyncStore
import Testing

@testable import SyncEngine

@Suite struct `The loop guard` {
    private static func next(_ text: String) -> PageContinuation { .next(PagePosition(text: text)) }

    @Test func `lets a healthy list pass, empty pages included`() throws {
        var watch = PageGuard(maxPages: 1_000)

        for page in 0..<500 {
            let isEmpty = page % 3 == 0
            let hashes: [UInt64] =
                isEmpty ? [] : (0..<50).map { UInt64(page * 50 + $0) &* 0x9E37_79B9_7F4A_7C15 }
            if isEmpty, page % 30 == 0 { continue }
            try watch.admit(body: UInt64(page), identifierHashes: hashes, continuation: Self.next("\(page)"))
        }
    }

    @Test func `takes a later cursor for progress, and the same one not`() throws {
        var stretches = PageGuard(maxPages: 1_000)
        for page in 0..<50 {
            try stretches.admit(
                body: UInt64(page), identifierHashes: [], cursor: Int64(page),
                continuation: Self.next("\(page)"))
        }
        #expect(throws: PaginationLoop.noNewIdentifiers) {
            for page in 50..<70 {
                try stretches.admit(
                    body: UInt64(page), identifierHashes: [], cursor: 49, continuation: Self.next("\(page)"))
            }
        }
    }

    /// A list that is followed by one of the deleted tells its cursor with its last page alone.
    @Test func `takes a later stretch of time for progress where no cursor is told`() throws {
        func page(_ number: Int, reached: Int) throws -> Page {
            var page = Page(
                scanned: .empty(ScanPlan(records: try JSONPointer("/data"), id: [])),
                continuation: Self.next("\(number)"), cursor: nil, cost: RequestCost(apiCalls: 1, bytes: 0))
            page.reached = Int64(reached)
            return page
        }
        var stretches = PageGuard(maxPages: 1_000)
        for number in 0..<50 {
            try stretches.admit(page(number, reached: number), identifierHashes: [])
        }
        #expect(throws: PaginationLoop.noNewIdentifiers) {
            for number in 50..<70 {
                try stretches.admit(page(number, reached: 49), identifierHashes: [])
            }
        }
    }

    @Test func `sees a position, a body, ids or a length that cannot be`() throws {
        var positions = PageGuard(maxPages: 100)
        try positions.admit(body: 1, identifierHashes: [1], continuation: Self.next("a"))
        #expect(throws: PaginationLoop.repeatedPosition) {
            try positions.admit(body: 2, identifierHashes: [2], continuation: Self.next("a"))
        }

        var bodies = PageGuard(maxPages: 100)
        try bodies.admit(body: 1, identifierHashes: [1], continuation: Self.next("a"))
        #expect(throws: PaginationLoop.repeatedBody) {
            try bodies.admit(body: 1, identifierHashes: [1], continuation: Self.next("b"))
        }

        // A list that ends with the page before once more has lost its end.
        var ends = PageGuard(maxPages: 100)
        try ends.admit(body: 1, identifierHashes: [1], continuation: Self.next("a"))
        #expect(throws: PaginationLoop.repeatedBody) {
            try ends.admit(body: 1, identifierHashes: [1], continuation: .end(.totalReached))
        }

        var identifiers = PageGuard(maxPages: 100)
        try identifiers.admit(body: 0, identifierHashes: [7], continuation: Self.next("0"))
        for page in 1..<10 {
            try identifiers.admit(
                body: UInt64(page), identifierHashes: [7], continuation: Self.next("\(page)"))
        }
        #expect(throws: PaginationLoop.noNewIdentifiers) {
            try identifiers.admit(body: 99, identifierHashes: [7], continuation: Self.next("99"))
        }

        var length = PageGuard(maxPages: 3, pagesBefore: 1)
        try length.admit(body: 1, identifierHashes: [1], continuation: Self.next("a"))
        #expect(throws: PaginationLoop.tooManyPages(limit: 3)) {
            try length.admit(body: 2, identifierHashes: [2], continuation: Self.next("b"))
        }
    }
}

@Suite struct `The failure policy` {
    private static func step(
        _ errorClass: ErrorClass, retryAfter: Duration? = nil, _ history: FailurePolicy.History = .init()
    ) -> FailureStep {
        let error = ConnectorError(
            errorClass, code: "c", userMessage: "u", operatorDetail: "o", retryAfter: retryAfter)
        return FailurePolicy(configuration: EngineConfiguration()).step(
            after: error, history: history, jitter: 0.5)
    }

    @Test func `waits in place for little, and gives the slot back for more`() {
        #expect(Self.step(.rateLimited, retryAfter: .seconds(1)) == .tryAgain(after: .seconds(1)))
        #expect(Self.step(.rateLimited, retryAfter: .seconds(2)) == .snooze(.seconds(2)))
        #expect(Self.step(.rateLimited) == .snooze(.seconds(5)))
        #expect(Self.step(.transient, retryAfter: .seconds(30)) == .snooze(.seconds(30)))
    }

    @Test func `tries a page again a few times, then the job`() {
        #expect(Self.step(.transient) == .tryAgain(after: .milliseconds(100)))
        #expect(Self.step(.transient, .init(tries: 2)) == .tryAgain(after: .milliseconds(200)))
        #expect(Self.step(.transient, .init(tries: 3)) == .retryJob)
    }

    @Test
    func `starts over when the provider asks, or a place from an earlier run is refused, but not for ever`() {
        #expect(Self.step(.resyncRequired) == .resync)
        #expect(Self.step(.resyncRequired, .init(resyncs: 3)) == .retryJob)
        #expect(Self.step(.rejected, .init(isResumedPosition: true)) == .resync)
        #expect(Self.step(.rejected, .init(isResumedPosition: true, resyncs: 1)) == .leaveStream)
        #expect(Self.step(.rejected) == .leaveStream)
    }

    @Test func `never repeats what can only fail again`() {
        #expect(Self.step(.permission) == .leaveStream)
        #expect(Self.step(.contractViolation) == .fail)
        #expect(Self.step(.config) == .fail)
        #expect(Self.step(.authRevoked) == .reauthRequired)
        #expect(Self.step(.auth) == .reauthRequired)
    }
}

@Suite struct `A slice` {
    @Test func `that was never read is read whole, whatever the job`() {
        var state = SliceState(stream: "s", partition: "")

        #expect(state.begin(full: false, order: .atEnd) == .enumerate)

        #expect(state.phase == .full)
        #expect(state.generation == 1)
    }

    @Test func `goes on with what was interrupted`() {
        var state = SliceState(stream: "s", partition: "")
        state.phase = .full
        state.generation = 3
        state.position = "p"

        #expect(state.begin(full: false, order: .atEnd) == .enumerate)
        #expect((state.generation, state.position) == (3, "p"))

        state.phase = .sweep
        #expect(state.begin(full: true, order: .atEnd) == .sweep)
    }

    @Test func `reads changes once it has a cursor, and starts over for a full job`() {
        var state = SliceState(stream: "s", partition: "")
        state.cursor = SliceState.StoredCursor(text: "1", order: 1)

        _ = state.begin(full: false, order: .atEnd)
        #expect(state.phase == .incremental)
        state.position = "p"
        _ = state.begin(full: true, order: .atEnd)
        #expect(state.phase == .full)
        #expect(state.position == nil)
        #expect(state.cursor?.text == "1")
        state.resync()
        #expect(state.cursor == nil)
        #expect(state.generation == 2)
    }

    @Test func `never moves a comparable cursor backwards`() {
        let old = SliceState.StoredCursor(text: "9", order: 9)

        #expect(SliceState.StoredCursor.later(old, .init(text: "5", order: 5)) == old)
        #expect(SliceState.StoredCursor.later(old, .init(text: "token", order: nil)).text == "token")
    }
}

@Suite struct `The end of a run that waits` {
    @Test func `says for how long`() {
        let failure = RunFailure(
            .rateLimited, code: "rate_limited",
            userMessage: "Slack is limiting requests. The sync continues in a while.", operatorDetail: "d")

        let end = Interruption.snoozed(.seconds(301), failure).end

        #expect(end.errorMessage == failure.userMessage && end.wait == .seconds(301))
        #expect(Interruption.failed(failure).end.wait == nil)
    }
}
