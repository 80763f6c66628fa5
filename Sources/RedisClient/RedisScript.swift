// SPDX-License-Identifier: Apache-2.0

/// A Lua script and the name by which a server that has seen it knows it.
public struct RedisScript: Sendable {
    /// The Lua text, as SCRIPT LOAD gets it.
    public let source: [UInt8]
    /// The SHA-1 of the source, as EVALSHA wants it. A changed script has a new name, so that two versions of
    /// a program may share a server.
    public let sha1: String

    /// Computes the SHA-1 that EVALSHA names the script by.
    public init(_ source: [UInt8]) {
        self.source = source
        sha1 = SHA1.hex(source)
    }
}
