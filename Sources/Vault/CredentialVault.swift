// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model

/// Seals the secrets of integrations for storage.
///
/// Each sealing draws a data key of its own, which a key of the ring wraps. The row, by its integration, kind
/// and version, is authenticated: a ciphertext that is copied to another row or put back from an older
/// version does not open.
public struct CredentialVault: Sendable {
    private let keys: KeyRing

    /// A vault that seals with the ring's current key and opens with any of them.
    public init(keys: KeyRing) {
        self.keys = keys
    }

    /// The id of the key that seals.
    public var currentKeyID: String { keys.currentID }

    /// Encrypts secrets for one row, under the current key. At most 32 secrets and 64 KiB together.
    public func seal(
        _ secrets: [String: SecretString], for integrationID: Int64, kind: String, version: Int64
    ) throws(VaultError) -> SealedCredential {
        let plaintext = try SecretCoding.encode(secrets)
        let row = Row(integrationID: integrationID, kind: kind, version: version)
        let dataKey: [UInt8]
        let payload: [UInt8]
        do {
            dataKey = try SecureRandom.bytes(AES256GCM.keyByteCount)
            payload = try AES256GCM(key: dataKey).seal(plaintext, context: row.payloadContext)
        } catch {
            throw VaultError(.unavailable, error.message)
        }
        return try wrap(dataKey, payload: payload, for: row)
    }

    /// Decrypts the stored bytes of one row.
    ///
    /// Throws `unknownKey`, naming the key, when its key is not in the ring, and `notAuthentic` when a byte
    /// was changed or the bytes belong to another integration, kind or version.
    public func open(
        _ bytes: [UInt8], for integrationID: Int64, kind: String, version: Int64
    ) throws(VaultError) -> [String: SecretString] {
        let sealed = try SealedCredential(bytes: bytes)
        let row = Row(integrationID: integrationID, kind: kind, version: version)
        let dataKey = try unwrap(sealed, for: row)
        let plaintext = try authentic { () throws(CryptoError) in
            try AES256GCM(key: dataKey).open(sealed.payload, context: row.payloadContext)
        }
        guard let secrets = SecretCoding.decode(plaintext) else { throw SealedCredential.notAuthentic }
        return secrets
    }

    /// Wraps the data key of stored bytes with the current key; the sealed secrets stay as they are.
    ///
    /// Throws as `open` does: damaged bytes are not given a new wrapping that would hide where they come from. Nil when the current key wraps it already. The version stays the same, so that a rotation can run
    /// next to workers: store the result only where the old bytes still are.
    public func rewrap(
        _ bytes: [UInt8], for integrationID: Int64, kind: String, version: Int64
    ) throws(VaultError) -> SealedCredential? {
        let sealed = try SealedCredential(bytes: bytes)
        let row = Row(integrationID: integrationID, kind: kind, version: version)
        let dataKey = try unwrap(sealed, for: row)
        _ = try authentic { () throws(CryptoError) in
            try AES256GCM(key: dataKey).open(sealed.payload, context: row.payloadContext)
        }
        return sealed.keyID == keys.currentID ? nil : try wrap(dataKey, payload: sealed.payload, for: row)
    }

    private func wrap(
        _ dataKey: [UInt8], payload: [UInt8], for row: Row
    ) throws(VaultError) -> SealedCredential {
        let cipher = try keys.cipher(keys.currentID)
        do {
            let wrapped = try cipher.seal(dataKey, context: row.keyContext(keys.currentID))
            return SealedCredential(keyID: keys.currentID, wrappedKey: wrapped, payload: payload)
        } catch {
            throw VaultError(.unavailable, error.message)
        }
    }

    private func unwrap(_ sealed: SealedCredential, for row: Row) throws(VaultError) -> [UInt8] {
        let cipher = try keys.cipher(sealed.keyID)
        return try authentic { () throws(CryptoError) in
            try cipher.open(sealed.wrappedKey, context: row.keyContext(sealed.keyID))
        }
    }

    private func authentic(_ open: () throws(CryptoError) -> [UInt8]) throws(VaultError) -> [UInt8] {
        do {
            return try open()
        } catch {
            if error.code == .unavailable { throw VaultError(.unavailable, error.message) }
            throw SealedCredential.notAuthentic
        }
    }
}

/// What a ciphertext is bound to. Lengths stand in front of what varies, so that no two rows have the same
/// bytes.
private struct Row {
    let integrationID: Int64
    let kind: String
    let version: Int64

    var payloadContext: [UInt8] { context("lockstep credential payload 1") }

    func keyContext(_ keyID: String) -> [UInt8] {
        context("lockstep credential key 1") + keyID.utf8
    }

    private func context(_ purpose: String) -> [UInt8] {
        Array(purpose.utf8) + [0] + SecretCoding.bigEndian(integrationID) + SecretCoding.bigEndian(version)
            + SecretCoding.bigEndian(UInt32(kind.utf8.count)) + Array(kind.utf8)
    }
}
