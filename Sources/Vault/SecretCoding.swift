// SPDX-License-Identifier: Apache-2.0

import Model

/// The plaintext of a credential: names and values, each with its length in front.
enum SecretCoding {
    /// More than any kind of authentication needs.
    static let maximumCount = 32
    static let maximumNameLength = 64
    /// The largest secrets in use are private keys in JSON, of some 4 KiB.
    static let maximumBytes = 64 * 1_024

    static func encode(_ secrets: [String: SecretString]) throws(VaultError) -> [UInt8] {
        guard secrets.count <= maximumCount else {
            throw VaultError(.invalidSecrets, "\(secrets.count) secrets; allowed: at most \(maximumCount)")
        }
        var bytes: [UInt8] = []
        for (name, secret) in secrets.sorted(by: { $0.key < $1.key }) {
            guard (1...maximumNameLength).contains(name.utf8.count),
                name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw VaultError(
                    .invalidSecrets,
                    "a secret has a name that is not one; allowed: 1 to \(maximumNameLength) ASCII characters"
                )
            }
            let value = Array(secret.exposed.utf8)
            guard value.count + bytes.count <= maximumBytes else {
                throw VaultError(
                    .invalidSecrets, "the secrets are too long; allowed: \(maximumBytes) bytes together")
            }
            bytes.append(UInt8(name.utf8.count))
            bytes += name.utf8
            bytes += bigEndian(UInt32(value.count))
            bytes += value
        }
        return bytes
    }

    /// Nil for bytes that `encode` cannot have made.
    static func decode(_ bytes: [UInt8]) -> [String: SecretString]? {
        var secrets: [String: SecretString] = [:]
        var rest = bytes[...]
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        while let nameLength = take(1)?.first {
            guard let name = take(Int(nameLength)).flatMap({ String(validating: $0, as: UTF8.self) }),
                let length = take(4)?.reduce(0, { $0 << 8 | Int($1) }),
                let value = take(length).flatMap({ String(validating: $0, as: UTF8.self) }),
                secrets.updateValue(SecretString(value), forKey: name) == nil
            else { return nil }
        }
        return secrets
    }

    static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
