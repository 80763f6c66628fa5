// SPDX-License-Identifier: Apache-2.0

/// What a soak does to the cluster next. The same seed gives the same plan.
enum SoakEvent: Equatable {
    /// SIGKILL to the worker of this position among those that run.
    case kill(worker: Int)
    /// SIGSTOP for longer than a lease, then SIGCONT.
    case stop(worker: Int)
    /// SIGTERM.
    case drain(worker: Int)
    /// Postgres ends all connections of workers, some of them in the middle of a commit.
    case cutDatabase
}

/// Draws events and the waits between them.
struct SoakPlan: Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// The next event and how long after the one before it comes, for so many workers.
    mutating func next(workers: Int) -> (event: SoakEvent, after: Duration) {
        let wait = Duration.milliseconds(Int64(50 + draw(below: 250)))
        let worker = draw(below: workers)
        switch draw(below: 100) {
        case 0..<4: return (.cutDatabase, wait)
        case 4..<8: return (.stop(worker: worker), wait)
        case 8..<15: return (.drain(worker: worker), wait)
        default: return (.kill(worker: worker), wait)
        }
    }

    private mutating func draw(below bound: Int) -> Int {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) % UInt64(bound))
    }
}
