// SPDX-License-Identifier: Apache-2.0

/// Why a sandbox does not serve.
public struct SandboxError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure; more may come.
    public struct Code: Sendable, Equatable, CustomStringConvertible {
        /// The word as programs see it.
        public let description: String

        /// The address is taken, or is none of this machine.
        public static let cannotListen = Code(description: "cannot_listen")
        /// It stopped, or never started.
        public static let stopped = Code(description: "stopped")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// What is wrong and what to change.
    public let message: String
    /// The failure behind it, if there is one.
    public let underlying: (any Error)?

    init(_ code: Code, _ message: String, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }

    /// Code and message in one line.
    public var description: String { "\(code): \(message)" }
}
