// SPDX-License-Identifier: Apache-2.0

/// Why credentials cannot be sealed or opened. Its text never carries a key or a secret.
public struct VaultError: Error, Sendable, Equatable {
    /// What happened, for programs. New codes may be added.
    public struct Code: Sendable, Hashable {
        /// The word as programs see it.
        public let name: String

        private init(_ name: String) { self.name = name }

        /// There is no key, or one is not usable.
        public static let invalidKeys = Code("invalid_keys")
        /// The credential was sealed with a key that is not in the key ring.
        public static let unknownKey = Code("unknown_key")
        /// The bytes begin with a format that this version does not know.
        public static let unknownFormat = Code("unknown_format")
        /// The bytes were changed, cut, or belong to another row.
        public static let notAuthentic = Code("not_authentic")
        /// The secrets are too many, too long, or have a name that is not one.
        public static let invalidSecrets = Code("invalid_secrets")
        /// The cryptographic library failed.
        public static let unavailable = Code("unavailable")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One line: the problem, and what to do about it.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension VaultError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
