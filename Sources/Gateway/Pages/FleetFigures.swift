// SPDX-License-Identifier: Apache-2.0

import Logging
import Model
import SyncStore

/// What is counted over the whole fleet: all runs of the last day are looked at, so that a large fleet takes seconds.
struct FleetFigures: Sendable {
    /// The services with their health, JSON.
    let services: [UInt8]
    /// The last 24 hours, JSON.
    let hours: [UInt8]
    /// When that was so.
    let at: Timestamp

    /// Figures of a ledger, for all who ask.
    static func refreshed(_ reader: LedgerReader, logger: Logger) -> Refreshed<FleetFigures> {
        Refreshed {
            logger.warning("the fleet was not counted", metadata: ["error": "\($0)"])
        } make: {
            async let services = reader.health()
            async let hours = reader.activity()
            return FleetFigures(
                services: try await services, hours: try await hours, at: try await reader.now())
        }
    }
}

/// A value that takes the longer to make the more there is to look at.
///
/// While that is a moment, whoever asks gets a new one. Later they get the last one at once, and a new one is made beside it, which
/// takes at most a tenth of the time: many readers ask no more of the database than one.
final class Refreshed<Value: Sendable>: Sendable {
    private struct Made {
        let value: Value
        let ended: ContinuousClock.Instant
        let took: Duration
    }

    private struct State {
        var made: Made?
        var making: Task<Value, any Error>?
    }

    /// What takes longer is made beside.
    private let moment: Duration
    private let state = LockedBox(State())
    private let make: @Sendable () async throws -> Value
    private let failed: @Sendable (any Error) -> Void

    /// `failed` hears when a new value could not be made and the old one stands.
    init(
        moment: Duration = .milliseconds(25), failed: @escaping @Sendable (any Error) -> Void,
        make: @escaping @Sendable () async throws -> Value
    ) {
        self.moment = moment
        self.failed = failed
        self.make = make
    }

    /// The value, and whether it was made for this caller.
    func value() async throws -> (Value, isNew: Bool) {
        let old = state.withLock { state -> Value? in
            guard let made = state.made, made.took >= moment else { return nil }
            if state.making == nil, made.ended.duration(to: .now) >= made.took * 9 {
                state.making = start(insteadOf: made)
            }
            return made.value
        }
        if let old { return (old, false) }
        let (making, isNew) = state.withLock { state -> (Task<Value, any Error>, Bool) in
            // Of the first value nobody knows how long it takes: it is made once for all. Later one that is made in a moment is
            // made for each, as it may have been begun before what its reader has just done.
            if state.made == nil, let making = state.making { return (making, false) }
            let making = start(insteadOf: nil)
            if state.made == nil { state.making = making }
            return (making, true)
        }
        return (try await making.value, isNew)
    }

    /// Has a value made; who waits for it gets its error, and where an old one stands somebody hears of it.
    private func start(insteadOf old: Made?) -> Task<Value, any Error> {
        Task {
            let began = ContinuousClock.now
            let result: Result<Value, any Error>
            do {
                result = .success(try await make())
            } catch {
                result = .failure(error)
            }
            let ended = ContinuousClock.now
            state.withLock { state in
                state.making = nil
                switch result {
                case .success(let value):
                    state.made = Made(value: value, ended: ended, took: began.duration(to: ended))
                case .failure:
                    // Not again at once.
                    if let old { state.made = Made(value: old.value, ended: ended, took: old.took) }
                }
            }
            if old != nil, case .failure(let error) = result { failed(error) }
            return try result.get()
        }
    }
}
