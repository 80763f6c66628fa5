// SPDX-License-Identifier: Apache-2.0

import Model

/// What a caller that wants secrets does next, from what is stored and nothing else.
enum RefreshDecision: Equatable {
    /// Use what is stored.
    case use
    /// Ask the provider for a new token, if nobody else does.
    case refresh
    /// Look again in a moment: another process asks.
    case wait
    /// A refresh failed a moment ago, and the next one may not begin yet.
    case failed(retryAfter: Duration)
    /// The provider refuses the credential.
    case revoked(reason: String)
    /// There is nothing to use.
    case missing

    /// What is known of a credential.
    struct Facts: Equatable {
        /// Nil when none is stored, or the integration is not connected any more.
        var version: Int64?
        /// There is a token, or a secret of another kind.
        var hasToken = true
        /// There is what a new token can be asked for with.
        var isRenewable = true
        var expiresIn: Duration?
        var refreshIn: Duration?
        var refusedReason: String?
        var isBeingRefreshed = false
        var refreshWait: Duration?
    }

    /// `refused` is a version that the provider did not take; nil when the caller only wants what is current.
    init(_ facts: Facts, refused: Int64?) {
        guard let version = facts.version else {
            self = .missing
            return
        }
        if let reason = facts.refusedReason {
            self = .revoked(reason: reason)
            return
        }
        let isRefused = refused.map { version <= $0 } ?? false
        guard facts.isRenewable else {
            // What nothing renews is tried once more as it is: one refusal may be a provider's hiccup.
            self = facts.hasToken ? .use : .missing
            return
        }
        let isOver = facts.expiresIn.map { $0 <= .zero } ?? false
        let isUsable = facts.hasToken && !isRefused && !isOver
        if isUsable, facts.refreshIn.map({ $0 > .zero }) ?? true {
            self = .use
        } else if facts.isBeingRefreshed {
            self = isUsable ? .use : .wait
        } else if let wait = facts.refreshWait, wait > .zero {
            self = isUsable ? .use : .failed(retryAfter: wait)
        } else {
            self = .refresh
        }
    }
}
