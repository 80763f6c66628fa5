// SPDX-License-Identifier: Apache-2.0

import Model
import RateLimits

/// What this worker knows to be closed for a while, so that it gives jobs back without opening a run for them.
///
/// It only saves work: the limiter decides about each request all the same.
final class LimitHolds: Sendable {
    private enum Key: Hashable {
        case service(String)
        case integration(Int64)
    }

    /// Above this many it starts anew: a bound for its memory.
    private static let limit = 10_000
    private let until = LockedBox<[Key: ContinuousClock.Instant]>([:])

    /// Takes note of a long wait. A limit of one endpoint holds nothing else.
    func note(_ wait: Duration, _ obstacle: LimitObstacle, _ scope: LimitScope) {
        let key: Key
        switch obstacle {
        case .outage: key = .service(scope.service)
        case .refusal: key = .integration(scope.integrationID)
        case .limit(let rule):
            guard !rule.isPerEndpoint else { return }
            key = rule.scope == .app ? .service(scope.service) : .integration(scope.integrationID)
        case .retryBudget: return
        }
        let end = ContinuousClock.now.advanced(by: wait)
        until.withLock { until in
            if until.count >= Self.limit { until.removeAll() }
            until[key] = max(end, until[key] ?? end)
        }
    }

    /// How long jobs of this integration have to wait; nil when nothing is known to stand in their way.
    func wait(service: String, integrationID: Int64) -> Duration? {
        let now = ContinuousClock.now
        let wait = until.withLock { until -> Duration in
            var longest: Duration = .zero
            for key in [Key.service(service), .integration(integrationID)] {
                guard let end = until[key] else { continue }
                if end <= now { until[key] = nil } else { longest = max(longest, end - now) }
            }
            return longest
        }
        return wait > .zero ? wait : nil
    }
}
