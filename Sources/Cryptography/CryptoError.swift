// SPDX-License-Identifier: Apache-2.0

/// A failure of a cryptographic operation. Its text never carries a key, a plaintext or a received value.
public struct CryptoError: Error, Sendable, Equatable {
    /// What happened, for programs.
    public struct Code: Sendable, Hashable {
        private let name: String

        private init(_ name: String) { self.name = name }

        /// The text was not sealed with this key and these authenticated bytes, or was changed since.
        public static let authenticationFailed = Code("authentication_failed")
        /// The key does not have the length that the algorithm needs.
        public static let invalidKey = Code("invalid_key")
        /// The input cannot be what the operation expects: too short, too long.
        public static let invalidInput = Code("invalid_input")
        /// OpenSSL could not do it: no memory, no entropy, an algorithm that the system forbids.
        public static let unavailable = Code("unavailable")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String

    /// An error without secrets in its message.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension CryptoError.Code: CustomStringConvertible {
    /// The word as programs see it.
    public var description: String { name }
}

extension CryptoError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
