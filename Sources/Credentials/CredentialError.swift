// SPDX-License-Identifier: Apache-2.0

import OAuth
import SyncStore
import Vault

/// A failure to store, renew or give back a credential. Its text carries no secret.
public struct CredentialError: Error, Sendable, CustomStringConvertible {
    /// What happened, for programs.
    public enum Code: String, Sendable {
        /// Postgres cannot be reached or asks to try again.
        case unavailable
        /// A key, a client or a value of the configuration is missing or wrong.
        case config
        /// What was given cannot be stored.
        case invalid
        /// The callback does not belong to what was begun, or comes too late.
        case invalidCallback = "invalid_callback"
        /// The link was used before, or its time is over.
        case linkOver = "link_over"
        /// The user or the provider said no.
        case denied
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: StoreError) {
        self.init(.unavailable, error.message)
    }

    init(_ error: VaultError) {
        self.init(error.code == .invalidSecrets ? .invalid : .config, error.message)
    }

    init(_ error: OAuthError) {
        let code: Code =
            switch error.code {
            case .config: .config
            case .invalidCallback: .invalidCallback
            case .denied: .denied
            case .unavailable: .unavailable
            }
        self.init(code, error.message)
    }

    /// The message, as operators read it.
    public var description: String { message }
}
