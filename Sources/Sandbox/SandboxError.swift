// SPDX-License-Identifier: Apache-2.0

/// Why a sandbox does not serve.
public struct SandboxError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure; more may come.
    public struct Code: Sendable, Equatable, CustomStringConvertible {
        public let description: String

        /// The address is taken, or is none of this machine.
        public static let cannotListen = Code(description: "cannot_listen")
        /// It stopped, or never started.
        public static let stopped = Code(description: "stopped")
    }

    public let code: Code
    public let message: String
    public let underlying: (any Error)?

    init(_ code: Code, _ message: String, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }

    public var description: String { "\(code): \(message)" }
}
