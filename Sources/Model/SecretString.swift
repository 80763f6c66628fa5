// SPDX-License-Identifier: Apache-2.0

/// Text that never reaches a log, an error or a page: printing it shows a placeholder.
public struct SecretString: Sendable, Hashable {
    private let value: String

    /// Wraps a value that must not reach logs or error messages.
    public init(_ value: String) {
        self.value = value
    }

    /// The secret itself. Call it where the secret leaves the process, and nowhere else.
    public var exposed: String { value }

    /// The number of UTF-8 bytes, which an error may name.
    public var byteCount: Int { value.utf8.count }
}

extension SecretString: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// A placeholder, never the value.
    public var description: String { "<secret>" }
    /// A placeholder, never the value.
    public var debugDescription: String { "<secret>" }
    /// Nothing, so that `dump` shows no secret.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
