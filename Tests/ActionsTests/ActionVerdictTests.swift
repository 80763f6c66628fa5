// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import SyncStore
import Testing

@testable import Actions

@Suite struct `An attempt of an action` {
    private static let repetitions: [ActionRepetition] = [
        .safe, .keyed(for: .seconds(86_400)), .lookedUp(after: .seconds(10)), .never,
    ]

    private static func error(
        _ errorClass: ErrorClass, retryAfter: Duration? = nil
    ) -> ConnectorError {
        ConnectorError(
            errorClass, code: "c", userMessage: "m", operatorDetail: "d", retryAfter: retryAfter,
            refusedVersion: 7)
    }

    private static func failed(
        _ errorClass: ErrorClass, _ effect: ActionFailure.Effect, _ repetition: ActionRepetition,
        wasInDoubt: Bool = false, retry: Duration? = .seconds(3), retryAfter: Duration? = nil
    ) -> ActionVerdict {
        .failed(
            ActionFailure(
                error(errorClass, retryAfter: retryAfter), effect: effect,
                cost: RequestCost(apiCalls: 1, bytes: 0)), repetition, wasInDoubt: wasInDoubt, retry: retry,
            title: "Demo")
    }

    // MARK: - What it does first

    @Test(arguments: repetitions)
    func `sends when nothing was sent before`(repetition: ActionRepetition) {
        #expect(ActionOpening(repetition, doubt: nil) == .send(isRepeated: false))
    }

    @Test func `repeats only what the provider knows, for as long as it knows it`() {
        #expect(ActionOpening(.safe, doubt: .seconds(99_999_999)) == .send(isRepeated: true))
        let keyed = ActionRepetition.keyed(for: .seconds(100))
        #expect(ActionOpening(keyed, doubt: .seconds(89)) == .send(isRepeated: true))
        #expect(ActionOpening(keyed, doubt: .seconds(90)) == .giveUp)
        #expect(ActionOpening(.never, doubt: .zero) == .giveUp)
    }

    @Test func `looks up when the provider can tell, and not before`() {
        let lookedUp = ActionRepetition.lookedUp(after: .seconds(10))
        #expect(ActionOpening(lookedUp, doubt: .seconds(4)) == .wait(.seconds(6)))
        #expect(ActionOpening(lookedUp, doubt: .seconds(10)) == .lookUp)
    }

    // MARK: - What becomes of a failure

    @Test(arguments: repetitions)
    func `that was refused has failed, whatever may be repeated`(repetition: ActionRepetition) {
        for errorClass in [ErrorClass.rejected, .permission, .config, .auth, .authRevoked, .staleWorker] {
            let verdict = Self.failed(errorClass, .none, repetition)
            #expect(verdict.end.status == .failed)
            #expect(verdict.end.message == "m")
            #expect(!verdict.end.isInDoubt)
            #expect(verdict.job == .finish)
            #expect(verdict.needsReauthorization == [.auth, .authRevoked].contains(errorClass))
            #expect(verdict.refusedVersion == 7)
        }
    }

    @Test(arguments: repetitions)
    func `that was not sent is tried again, and fails after the last attempt`(repetition: ActionRepetition) {
        let verdict = Self.failed(.transient, .none, repetition)
        #expect(verdict.end.status == .requested)
        #expect(verdict.job == .retry(after: .seconds(3)))
        #expect(verdict.end.wait == .seconds(3))
        #expect(!verdict.end.isInDoubt)
        let last = Self.failed(.transient, .none, repetition, retry: nil)
        #expect(last.end.status == .failed)
        // Whoever sent the request speaks of syncs.
        #expect(verdict.end.message == "Demo did not answer as expected. This is tried again.")
        #expect(last.end.message == "Demo did not answer as expected. Nothing was changed.")
    }

    @Test(arguments: repetitions)
    func `that a limit refused waits without an attempt charged`(repetition: ActionRepetition) {
        let verdict = Self.failed(.rateLimited, .none, repetition, retry: nil, retryAfter: .seconds(40))
        #expect(verdict.job == .snooze(.seconds(40)))
        #expect(verdict.end.status == .requested)
        #expect(verdict.end.log == .yielded)
        #expect(verdict.end.message == "Demo is limiting requests. This is done in a while.")
        #expect(Self.failed(.providerOutage, .none, repetition).job == .snooze(.seconds(5)))
    }

    @Test func `whose outcome is unknown is never sent again blindly`() {
        for effect in [ActionFailure.Effect.unknown, .settledUnknown] {
            let never = Self.failed(.transient, effect, .never)
            #expect(never.end.status == .unknown && never.end.isInDoubt && never.job == .finish)
            #expect(never.end.message?.contains("not known whether Demo did this") == true)
        }

        let keyed = Self.failed(.transient, .unknown, .keyed(for: .seconds(60)))
        #expect(
            keyed.end.status == .running && keyed.end.isInDoubt && keyed.job == .retry(after: .seconds(3)))
        #expect(Self.failed(.transient, .settledUnknown, .keyed(for: .seconds(60))).end.status == .unknown)
        #expect(
            Self.failed(.transient, .unknown, .keyed(for: .seconds(60)), retry: nil).end.status == .unknown)

        let lookedUp = Self.failed(.transient, .unknown, .lookedUp(after: .seconds(10)))
        #expect(lookedUp.end.status == .running && lookedUp.end.isInDoubt)
        #expect(lookedUp.job == .retry(after: .seconds(10)))

        let safe = Self.failed(.transient, .unknown, .safe)
        #expect(safe.end.status == .requested && !safe.end.isInDoubt)
        #expect(Self.failed(.transient, .unknown, .safe, retry: nil).end.status == .failed)
    }

    @Test func `that is refused after one in doubt tells of both only by the same key`() {
        let keyed = ActionRepetition.keyed(for: .seconds(60))
        #expect(Self.failed(.rejected, .none, keyed, wasInDoubt: true).end.status == .failed)
        // Who is not let in does not hear what became of the first request.
        for errorClass in [ErrorClass.authRevoked, .permission, .config] {
            let verdict = Self.failed(errorClass, .none, keyed, wasInDoubt: true)
            #expect(verdict.end.status == .unknown && verdict.end.isInDoubt)
        }
        #expect(Self.failed(.rejected, .none, .never, wasInDoubt: true).end.status == .unknown)
        #expect(Self.failed(.rateLimited, .none, keyed, wasInDoubt: true).end.status == .running)
        #expect(Self.failed(.rateLimited, .none, keyed, wasInDoubt: true).end.isInDoubt)
        #expect(Self.failed(.transient, .none, keyed, wasInDoubt: true, retry: nil).end.status == .unknown)
    }

    @Test func `that could not look up asks again, and knows nothing after the last time`() {
        func verdict(_ errorClass: ErrorClass, _ retry: Duration? = .seconds(3)) -> ActionVerdict {
            .notLookedUp(Self.error(errorClass), retry: retry, title: "Demo")
        }
        #expect(verdict(.transient).job == .retry(after: .seconds(3)))
        #expect(verdict(.transient).end.isInDoubt && verdict(.transient).end.status == .running)
        #expect(verdict(.transient, nil).end.status == .unknown)
        #expect(verdict(.rateLimited, nil).job == .snooze(.seconds(5)))
        #expect(verdict(.permission).end.status == .unknown)
        #expect(verdict(.authRevoked).needsReauthorization)
    }

    // MARK: - Keys

    @Test func `has a key of its own at the provider`() {
        let key = ActionCall.key(of: "stripe", "order-17")
        #expect(key.utf8.count == 64 && key.allSatisfy(\.isHexDigit))
        #expect(key == ActionCall.key(of: "stripe", "order-17"))
        #expect(key != ActionCall.key(of: "stripe", "order-18"))
        #expect(key != ActionCall.key(of: "slack", "order-17"))
        // Two spellings of one text are two keys.
        #expect(ActionCall.key(of: "s", "é") != ActionCall.key(of: "s", "e\u{301}"))
    }
}
