// SPDX-License-Identifier: Apache-2.0

/// What a failure means for the job, the stream and the integration. The engine's next step follows from the
/// class alone; the detail is for people.
public enum ErrorClass: String, Sendable, CaseIterable {
    /// The provider asks to wait. The job is snoozed; no attempt is charged.
    case rateLimited = "rate_limited"
    /// 5xx, 408, 425, DNS, reset, truncated body, HTML instead of JSON. Back off; an attempt is charged.
    case transient
    /// The credential was refused (401).
    case auth
    /// The user has to reconnect. The integration becomes `reauth_required` and its jobs stop.
    case authRevoked = "auth_revoked"
    /// The credential is valid, but not for this stream. The stream stops and is never swept.
    case permission
    /// The cursor or history expired. A new generation starts; nothing is deleted up front.
    case resyncRequired = "resync_required"
    /// Another 4xx. The job fails without a retry.
    case rejected
    /// Too many failures of one service in a row.
    case providerOutage = "provider_outage"
    /// The provider broke its own contract (a page loop, a wrong type). The run stops without deletions.
    case contractViolation = "contract_violation"
    /// A newer run holds the fence. This one drops its work.
    case staleWorker = "stale_worker"
    /// Lockstep's own configuration is wrong; an operator has to act.
    case config
}
