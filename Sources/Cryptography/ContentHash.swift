// SPDX-License-Identifier: Apache-2.0

/// The first 16 bytes of the SHA-256 of a record: equal means unchanged.
///
/// 128 bits keep the chance that any two of 10^12 records collide below 10^-14, at half the storage.
public struct ContentHash: Sendable, Hashable {
    /// The length of a hash in bytes.
    public static let byteCount = 16

    // The bytes as they are in memory, whatever the byte order: only `withUnsafeBytes` looks at them.
    private var storage: (UInt64, UInt64) = (0, 0)

    /// Reads a stored hash; nil unless it has 16 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        Swift.withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
    }

    init(prefixOf digest: UnsafeRawPointer) {
        storage = (digest.loadUnaligned(as: UInt64.self), (digest + 8).loadUnaligned(as: UInt64.self))
    }

    /// Gives the 16 bytes for the call.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
    {
        try Swift.withUnsafeBytes(of: storage, body)
    }

    /// The 16 bytes as an array, where speed does not matter.
    public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

    /// Whether all bytes are the same.
    public static func == (left: ContentHash, right: ContentHash) -> Bool {
        left.storage == right.storage
    }

    /// Feeds the bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(storage.0)
        hasher.combine(storage.1)
    }
}

extension ContentHash: CustomStringConvertible {
    /// The bytes as hex digits.
    public var description: String { Hex.encode(bytes) }
}

/// Hashes many records with one OpenSSL context. Not `Sendable`: one for each task that hashes.
public final class ContentHasher {
    private let digester = Digester()
    private let output: UnsafeMutablePointer<UInt8>

    /// A hasher with an OpenSSL context of its own.
    public init() {
        output = .allocate(capacity: SHA256.byteCount)
        output.initialize(repeating: 0, count: SHA256.byteCount)
    }

    deinit {
        output.deallocate()
    }

    /// The hash of a record's bytes as they came. Allocates nothing.
    public func hash(_ bytes: UnsafeRawBufferPointer) -> ContentHash {
        digester.digest(bytes, into: output)
        return ContentHash(prefixOf: output)
    }

    /// The hash of an array.
    public func hash(_ bytes: [UInt8]) -> ContentHash {
        bytes.withUnsafeBytes { hash($0) }
    }
}
