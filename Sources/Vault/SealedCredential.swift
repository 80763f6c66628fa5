// SPDX-License-Identifier: Apache-2.0

/// The secrets of one integration as they are stored.
///
/// Format 1:
///
///     1 byte    format, 1
///     1 byte    length of the key id, then the id in ASCII
///     60 bytes  data key wrapped by that key: nonce 12, key 32, tag 16
///     rest      secrets sealed with the data key: nonce 12, ciphertext, tag 16
///
/// Both parts authenticate the row that they belong to. The payload does not cover the header, so that
/// another key can wrap the data key without the secrets being opened.
public struct SealedCredential: Sendable, Equatable {
    /// What the `ciphertext` column holds, header and payload.
    public let bytes: [UInt8]
    /// The key that wraps the data key.
    public let keyID: String

    static let format: UInt8 = 1
    static let maximumKeyIDLength = 32
    static let wrappedKeyLength = 60

    let wrappedKey: [UInt8]
    let payload: [UInt8]

    init(keyID: String, wrappedKey: [UInt8], payload: [UInt8]) {
        self.keyID = keyID
        self.wrappedKey = wrappedKey
        self.payload = payload
        bytes = [Self.format, UInt8(keyID.utf8.count)] + Array(keyID.utf8) + wrappedKey + payload
    }

    /// Takes stored bytes apart without opening them, for example to count what a rotation has left.
    public init(bytes: [UInt8]) throws(VaultError) {
        guard let format = bytes.first else {
            throw VaultError(.notAuthentic, "the stored credential is empty; connect the integration again")
        }
        guard format == Self.format else {
            throw VaultError(
                .unknownFormat,
                "the stored credential has format \(format), this version knows format \(Self.format)")
        }
        let idLength = bytes.count > 1 ? Int(bytes[1]) : 0
        let keyStart = 2 + idLength
        let payloadStart = keyStart + Self.wrappedKeyLength
        guard (1...Self.maximumKeyIDLength).contains(idLength), bytes.count > payloadStart,
            bytes[2..<keyStart].allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw Self.notAuthentic }
        self.bytes = bytes
        keyID = String(decoding: bytes[2..<keyStart], as: UTF8.self)
        wrappedKey = Array(bytes[keyStart..<payloadStart])
        payload = Array(bytes[payloadStart...])
    }

    static var notAuthentic: VaultError {
        VaultError(
            .notAuthentic,
            "the stored credential was changed or belongs to another row; connect the integration again")
    }
}
