// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// The operator's token: who has it may use the API and the pages.
struct AdminToken: Sendable {
    private let digest: [UInt8]?
    private let failures: LockedBox<TokenBucket>

    /// Without a token everything is closed.
    init(_ token: SecretString?) {
        digest = token.map { SHA256.digest(of: Array($0.exposed.utf8)) }
        failures = LockedBox(TokenBucket(rate: 1, burst: 20, at: .now))
    }

    /// Whether a text is the token. The time that it takes tells nothing about the token, and who guesses is slowed down.
    func accepts(_ text: String) throws -> Bool {
        guard let digest else {
            throw Problem(
                403, "closed", "LOCKSTEP_ADMIN_TOKEN is not set on this gateway, so that nobody can use this."
            )
        }
        if ConstantTime.equal(SHA256.digest(of: Array(text.utf8)), digest) { return true }
        if let wait = failures.withLock({ $0.take(at: .now) }) {
            throw Problem(
                429, "too_many_failures", "Too many wrong tokens came. Wait a moment.",
                headers: [("Retry-After", "\(wait.components.seconds + 1)")])
        }
        return false
    }
}
