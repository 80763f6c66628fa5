// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Credentials

@Suite struct `What a caller of secrets does next` {
    private func step(
        refused: Int64? = nil, _ change: (inout RefreshDecision.Facts) -> Void = { _ in }
    ) -> RefreshDecision {
        var facts = RefreshDecision.Facts(version: 3, expiresIn: .seconds(600), refreshIn: .seconds(300))
        change(&facts)
        return RefreshDecision(facts, refused: refused)
    }

    @Test func `follows from what is stored`() {
        #expect(step() == .use)
        #expect(step { $0.refreshIn = .zero } == .refresh)
        #expect(
            step {
                $0.refreshIn = nil; $0.expiresIn = nil
            } == .use)
        #expect(step { $0.hasToken = false } == .refresh)
        #expect(step { $0.version = nil } == .missing)
        #expect(step { $0.refusedReason = "invalid_grant" } == .revoked(reason: "invalid_grant"))
    }

    @Test func `does not wait for a renewal that is not pressing`() {
        #expect(
            step {
                $0.refreshIn = .zero; $0.isBeingRefreshed = true
            } == .use)
        #expect(
            step {
                $0.refreshIn = .zero; $0.refreshWait = .seconds(9)
            } == .use)
        #expect(
            step {
                $0.refreshIn = .zero; $0.refreshWait = .seconds(-1)
            } == .refresh)
    }

    @Test func `waits for one that is`() {
        func over(_ facts: inout RefreshDecision.Facts) {
            facts.expiresIn = .seconds(-1)
            facts.refreshIn = .seconds(-300)
        }
        #expect(step(over) == .refresh)
        #expect(
            step {
                over(&$0); $0.isBeingRefreshed = true
            } == .wait)
        #expect(
            step {
                over(&$0); $0.refreshWait = .seconds(9)
            } == .failed(retryAfter: .seconds(9)))
    }

    @Test func `renews what was refused, unless it is newer`() {
        #expect(step(refused: 3) == .refresh)
        #expect(step(refused: 2) == .use)
        #expect(step(refused: 4) == .refresh)
        #expect(step(refused: 3) { $0.isBeingRefreshed = true } == .wait)
    }

    @Test func `uses what nothing renews`() {
        #expect(step(refused: 3) { $0.isRenewable = false } == .use)
        #expect(
            step {
                $0.isRenewable = false; $0.expiresIn = .seconds(-1)
            } == .use)
        #expect(
            step {
                $0.isRenewable = false; $0.hasToken = false
            } == .missing)
    }
}
