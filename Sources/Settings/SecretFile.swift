// SPDX-License-Identifier: Apache-2.0

public import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A small file that holds a secret, as container platforms mount them.
public enum SecretFile {
    /// A list of a hundred keys fits; a file that was named by mistake does not.
    public static let maximumBytes = 16 * 1_024

    /// The text of the file, or why it cannot be used: a sentence with the path and never the content.
    public static func read(_ path: String) -> Result<SecretString, Refusal> {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failure(Refusal(path, errno)) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumBytes + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { fill($0, from: filled, descriptor) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(Refusal(path, errno)) }
            if count == 0 { break }
            filled += count
        }
        guard filled <= maximumBytes else {
            return .failure(Refusal(reason: "\(path) is larger than \(maximumBytes) bytes"))
        }
        guard let text = String(validating: bytes.prefix(filled), as: UTF8.self) else {
            return .failure(Refusal(reason: "\(path) is not UTF-8 text"))
        }
        return .success(SecretString(text))
    }

    /// Why a file cannot be used.
    public struct Refusal: Error, Sendable, Equatable {
        /// Why the file cannot be used.
        public let reason: String

        /// An error that names the reason only, never the content.
        public init(reason: String) {
            self.reason = reason
        }

        init(_ path: String, _ number: Int32) {
            reason = "\(path) cannot be read: \(String(cString: strerror(number)))"
        }
    }

    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from start: Int, _ descriptor: Int32
    ) -> Int {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
        #if canImport(Glibc)
            return Glibc.read(descriptor, rest.baseAddress, rest.count)
        #else
            return Musl.read(descriptor, rest.baseAddress, rest.count)
        #endif
    }
}
