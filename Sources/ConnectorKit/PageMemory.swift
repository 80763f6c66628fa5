// SPDX-License-Identifier: Apache-2.0

import Model

/// The part of a worker's memory that providers' large answers may take, which all its runs share.
///
/// An answer of ordinary size is always read. For a larger one a run takes shares, and keeps them until what it read is
/// written: so many large pages are in memory at a time, and no more, whatever providers send. Those who wait are served in
/// their order.
public final class PageMemory: Sendable {
    /// How large an answer may be.
    public enum Size: Int, Sendable, CaseIterable {
        case ordinary
        case large
        case huge

        /// The most bytes of such an answer, decoded or on the wire.
        public var bytes: Int {
            switch self {
            case .ordinary: 1 << 20
            case .large: 4 << 20
            case .huge: 16 << 20
            }
        }

        /// The shares that it takes.
        var shares: Int {
            switch self {
            case .ordinary: 0
            case .large: 1
            case .huge: PageMemory.shares
            }
        }

        /// The next larger size; nil for the largest.
        public var next: Size? { Size(rawValue: rawValue + 1) }

        /// The size of an answer of so many bytes.
        public init(bytes: Int) { self = Self.allCases.first { bytes <= $0.bytes } ?? .huge }
    }

    /// How large the answers of an endpoint are.
    private struct Expectation {
        let size: Size
        /// Whether the last one was smaller.
        var wasSmaller = false
    }

    /// One of those that wait.
    private struct Waiter {
        let number: UInt64
        let shares: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct Endpoint: Hashable {
        let integrationID: Int64
        let path: String
    }

    private struct State {
        var free = PageMemory.shares
        var waiting: [Waiter] = []
        var numbers: UInt64 = 0
        /// Endpoints whose last answer was larger than an ordinary one.
        var sizes: [Endpoint: Expectation] = [:]
    }

    /// All shares together: so many large answers are held at a time, or one huge one.
    static let shares = 4
    /// Endpoints that are remembered; all are forgotten when there are more, and learned again.
    private static let endpointLimit = 4_096

    private let state = LockedBox(State())

    /// Memory of which nothing is taken.
    public init() {}

    /// The shares that nobody has.
    var free: Int { state.withLock { $0.free } }

    /// How many wait for shares.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// The size that an endpoint's last answer to an integration had.
    func expectedSize(_ integrationID: Int64, _ path: String) -> Size {
        state.withLock { $0.sizes[Endpoint(integrationID: integrationID, path: path)]?.size ?? .ordinary }
    }

    /// Remembers the size of an endpoint's answer. One that is smaller counts with the second in a row: the last page of a list
    /// says little of the first page of the next one, which would be asked for twice.
    func note(_ size: Size, _ integrationID: Int64, _ path: String) {
        let endpoint = Endpoint(integrationID: integrationID, path: path)
        state.withLock { state in
            let known = state.sizes[endpoint]
            if let known, size.rawValue < known.size.rawValue, !known.wasSmaller {
                state.sizes[endpoint]?.wasSmaller = true
            } else if size == .ordinary {
                state.sizes[endpoint] = nil
            } else {
                if known == nil, state.sizes.count >= Self.endpointLimit { state.sizes = [:] }
                state.sizes[endpoint] = Expectation(size: size)
            }
        }
    }

    /// Takes the shares of a size, after those who came before; false when they were not free in time, or the task was
    /// cancelled.
    func take(_ size: Size, within limit: Duration) async -> Bool {
        guard size.shares > 0 else { return true }
        let number = state.withLock { state in
            state.numbers += 1
            return state.numbers
        }
        let alarm = LockedBox<Task<Void, any Error>?>(nil)
        defer { alarm.withLock { $0?.cancel() } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isTaken: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    guard state.waiting.isEmpty, state.free >= size.shares else {
                        state.waiting.append(
                            Waiter(number: number, shares: size.shares, continuation: continuation))
                        return nil
                    }
                    state.free -= size.shares
                    return true
                }
                if let isTaken { return continuation.resume(returning: isTaken) }
                // Only now: what gave up before it stood in line would wait for ever.
                let task = Task { [weak self] in
                    try await ContinuousClock().sleep(for: limit)
                    self?.giveUp(number)
                }
                alarm.withLock { $0 = task }
            }
        } onCancel: {
            giveUp(number)
        }
    }

    /// Gives the shares of a size back.
    func give(_ size: Size) {
        serve { $0.free += size.shares }
    }

    private func giveUp(_ number: UInt64) {
        let lost = state.withLock { state in
            state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
        }
        lost?.continuation.resume(returning: false)
        // Whoever stood behind may need less.
        if lost != nil { serve { _ in } }
    }

    private func serve(_ change: (inout State) -> Void) {
        let served = state.withLock { state in
            change(&state)
            var served: [Waiter] = []
            while let first = state.waiting.first, first.shares <= state.free {
                state.free -= first.shares
                served.append(state.waiting.removeFirst())
            }
            return served
        }
        for waiter in served { waiter.continuation.resume(returning: true) }
    }
}
