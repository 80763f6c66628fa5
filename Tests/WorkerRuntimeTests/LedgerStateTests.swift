// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WorkerRuntime

@Suite struct `What a worker believes about its ledger` {
    private let start = ContinuousClock.now
    private var state: LedgerState

    init() {
        state = LedgerState(now: start)
    }

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func `lets everything be claimed while it works, and asks only when nothing else tells`() {
        var state = state
        #expect(state.allowance(now: at(0)) == .all)
        #expect(!state.probe(now: at(3)).isDue)
        #expect(state.probe(now: at(4)).isDue)
        #expect(!state.probe(now: at(4)).isFresh)

        state.note(.worked, now: at(3))
        #expect(!state.probe(now: at(6)).isDue)
        #expect(state.trouble(now: at(6)) == nil)
    }

    @Test func `holds claims back from a doubt until the probe has answered, on a new connection`() {
        var state = state
        state.note(.doubted, now: at(1))

        #expect(state.allowance(now: at(1)) == .none)
        #expect(state.probe(now: at(1)) == (true, true))
        #expect(state.trouble(now: at(1)) == nil)

        state.note(.probeSucceeded, now: at(2))
        #expect(state.allowance(now: at(2)) == .all)
        #expect(!state.wasInTrouble(now: at(2)))
    }

    @Test func `closes at a failed probe, asks each second, and opens at once when it succeeds`() {
        var state = state
        state.note(.probeFailed(reason: "gone"), now: at(4))

        #expect(state.allowance(now: at(4)) == .none)
        #expect(state.trouble(now: at(100)) == "gone")
        #expect(!state.probe(now: at(4.5)).isDue)
        #expect(state.probe(now: at(5)) == (true, true))
        // A run that ended says nothing: it may have committed before.
        state.note(.worked, now: at(4.5))
        #expect(state.allowance(now: at(4.5)) == .none)

        state.note(.probeSucceeded, now: at(5))
        #expect(state.allowance(now: at(5)) == .all)
        #expect(state.trouble(now: at(5)) == nil)
        #expect(state.wasInTrouble(now: at(60)))
        #expect(!state.wasInTrouble(now: at(65)))
    }

    @Test func `tries one job at a time after a write was refused, as no probe sees a full disk`() {
        var state = state
        state.note(.refused(reason: "full"), now: at(0))
        #expect(state.allowance(now: at(0)) == .none)
        #expect(state.trouble(now: at(0)) == "full")
        // The other runs that were refused at the same time prolong nothing.
        state.note(.refused(reason: "full"), now: at(0.1))

        state.note(.probeSucceeded, now: at(0.5))
        #expect(state.allowance(now: at(0.5)) == .none)
        state.note(.probeSucceeded, now: at(1))
        #expect(state.allowance(now: at(1)) == .one)
        #expect(state.trouble(now: at(1)) == "full")
        state.claimed(now: at(1))
        #expect(state.allowance(now: at(1.5)) == .none)
        #expect(state.allowance(now: at(2)) == .one)

        state.note(.worked, now: at(2.5))
        #expect(state.allowance(now: at(2.5)) == .all)
        #expect(state.trouble(now: at(2.5)) == nil)
    }

    @Test func `waits longer after each refused trial, up to three seconds`() {
        var state = state
        var now = 0.0
        for wait in [1.0, 2, 3, 3] {
            state.note(.refused(reason: "full"), now: at(now))
            state.note(.probeSucceeded, now: at(now + wait - 0.1))
            #expect(state.allowance(now: at(now + wait - 0.1)) == .none)
            state.note(.probeSucceeded, now: at(now + wait))
            #expect(state.allowance(now: at(now + wait)) == .one)
            now += wait
        }
        #expect(state.trouble(now: at(now)) == "full")
    }

    @Test func `counts as healthy in a trial that has no job to try`() {
        var state = state
        state.note(.refused(reason: "full"), now: at(0))
        state.note(.probeSucceeded, now: at(1))

        #expect(state.trouble(now: at(9)) == "full")
        #expect(state.trouble(now: at(10)) == nil)
        #expect(state.allowance(now: at(10)) == .one)
    }

    @Test func `goes back to its trial when a doubt in it was unfounded`() {
        var state = state
        state.note(.refused(reason: "full"), now: at(0))
        state.note(.probeSucceeded, now: at(1))
        state.note(.doubted, now: at(2))
        #expect(state.allowance(now: at(2)) == .none)
        #expect(state.isDoubted)

        state.note(.probeSucceeded, now: at(3))
        #expect(state.allowance(now: at(3)) == .one)
    }
}
