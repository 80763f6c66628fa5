// SPDX-License-Identifier: Apache-2.0

/// What a worker knows about one of its leases, by a monotonic clock.
///
/// The server's deadline is counted from when the request reached it, which is later than when it was sent:
/// counting from the sending errs on the safe side. So does giving up after two thirds of the length: a
/// worker that stops then has stopped before anybody else can start, even if its clock runs a little slow.
public struct LeaseState: Sendable, Equatable {
    /// What to do about the lease now.
    public enum Verdict: Sendable, Equatable {
        /// Nothing to do until then.
        case held(until: ContinuousClock.Instant)
        /// It should be renewed; it is still held.
        case renew
        /// It counts as lost: the job must stop.
        case lost
    }

    private let length: Duration
    private var confirmedAt: ContinuousClock.Instant
    private var isRevoked = false

    /// A lease whose claim was sent at `requestedAt`.
    public init(length: Duration, requestedAt: ContinuousClock.Instant) {
        self.length = length
        confirmedAt = requestedAt
    }

    /// When the lease counts as lost unless a renewal succeeds before.
    public var lostAt: ContinuousClock.Instant { confirmedAt + length * 2 / 3 }

    /// A renewal that was sent at `requestedAt` succeeded. It does not bring a lost lease back.
    public mutating func renewed(requestedAt: ContinuousClock.Instant, now: ContinuousClock.Instant) {
        guard verdict(at: now) != .lost, requestedAt > confirmedAt else { return }
        confirmedAt = requestedAt
    }

    /// The queue answered that somebody else holds the job, or nobody.
    public mutating func revoked() {
        isRevoked = true
    }

    /// Renewal is due after a third of the length, so that one may fail.
    public func verdict(at now: ContinuousClock.Instant) -> Verdict {
        if isRevoked || now >= lostAt { return .lost }
        let renewAt = confirmedAt + length / 3
        return now >= renewAt ? .renew : .held(until: renewAt)
    }
}
