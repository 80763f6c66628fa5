// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
public import SyncStore

/// What is counted over the whole fleet: all runs of the last day are looked at, so that a large fleet takes seconds.
struct FleetFigures: Sendable {
    /// The services with their health, JSON.
    let services: [UInt8]
    /// The last 24 hours, JSON.
    let hours: [UInt8]
    /// When that was so.
    let at: Timestamp

}

/// Counts the fleet of a ledger, once for all who ask: the API and the pages.
public struct FleetCounter: Sendable {
    private let figures: Refreshed<FleetFigures>

    /// Counts when it is asked.
    public init(_ reader: LedgerReader, logger: Logger) {
        figures = Refreshed {
            logger.warning("the fleet was not counted", metadata: ["error": "\($0)"])
        } make: {
            async let services = reader.health()
            async let hours = reader.activity()
            return FleetFigures(
                services: try await services, hours: try await hours, at: try await reader.now())
        }
    }

    /// The figures, and whether they were counted for this caller.
    func value() async throws -> (FleetFigures, isNew: Bool) { try await figures.value() }
}

/// The streams of accounts, with the number of their records: of a large account it takes long to count them.
final class StreamFigures: Sendable {
    /// Accounts that are remembered.
    private static let limit = 500

    private let known = LockedBox<[Int64: Refreshed<[UInt8]>]>([:])
    private let reader: LedgerReader
    private let logger: Logger

    init(_ reader: LedgerReader, logger: Logger) {
        self.reader = reader
        self.logger = logger
    }

    /// JSON, as the reader gives it.
    func streams(of id: Int64) async throws -> [UInt8] {
        let (reader, logger) = (reader, logger)
        let streams = known.withLock { known in
            if let found = known[id] { return found }
            if known.count >= Self.limit { known.removeAll() }
            let made = Refreshed {
                logger.warning(
                    "records were not counted", metadata: ["integration": "\(id)", "error": "\($0)"])
            } make: {
                try await reader.streams(of: id)
            }
            known[id] = made
            return made
        }
        return try await streams.value().0
    }
}

/// A value that takes the longer to make the more there is to look at.
///
/// While that is a moment, whoever asks gets a new one. Later they get the last one at once, and a new one is made beside it, which
/// takes at most a tenth of the time: many readers ask no more of the database than one. One that nobody has asked for in a while is
/// too old for that, and is waited for.
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
    /// What is older is not given any more, unless making it takes so long that nothing newer can be had.
    private let oldest: Duration
    private let state = LockedBox(State())
    private let make: @Sendable () async throws -> Value
    private let failed: @Sendable (any Error) -> Void

    /// `failed` hears when a new value could not be made and the old one stands.
    init(
        moment: Duration = .milliseconds(25), oldest: Duration = .seconds(60),
        failed: @escaping @Sendable (any Error) -> Void,
        make: @escaping @Sendable () async throws -> Value
    ) {
        self.moment = moment
        self.oldest = oldest
        self.failed = failed
        self.make = make
    }

    /// The value, and whether it was made for this caller.
    func value() async throws -> (Value, isNew: Bool) {
        let old = state.withLock { state -> Value? in
            guard let made = state.made, made.took >= moment else { return nil }
            let age = made.ended.duration(to: .now)
            guard age < max(oldest, made.took * 20) else { return nil }
            if state.making == nil, age >= made.took * 9 {
                state.making = start(insteadOf: made)
            }
            return made.value
        }
        if let old { return (old, false) }
        let (making, isNew) = state.withLock { state -> (Task<Value, any Error>, Bool) in
            // What takes long, and the first one, of which nobody knows, is made once for all. One that is made in a moment is made
            // for each, as it may have been begun before what its reader has just done.
            let isShared = state.made.map { $0.took >= moment } ?? true
            if isShared, let making = state.making { return (making, false) }
            let making = start(insteadOf: nil)
            if isShared { state.making = making }
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
