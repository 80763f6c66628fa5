// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model
public import Settings

/// Keys for what the gateway signs, each made from those of `LOCKSTEP_KEYS` for one purpose. The first signs, all verify.
public struct GatewayKeys: Sendable {
    /// What a signature is for; one of one kind is never taken for another.
    enum Purpose: String {
        case link = "lockstep connect link 1"
        case form = "lockstep form 1"
        case session = "lockstep page session 1"
    }

    /// There is no key, or one that is not base64.
    public struct Unusable: Error, CustomStringConvertible {
        /// A sentence for the operator.
        public let description = "LOCKSTEP_KEYS has no usable key; allowed: \(KeyEntry.form)"
    }

    private let materials: [[UInt8]]

    /// Takes all keys, or none.
    public init(_ entries: [KeyEntry]) throws(Unusable) {
        materials = entries.compactMap { Base64.standard.decode($0.material.exposed) }
        guard materials.count == entries.count, !entries.isEmpty else { throw Unusable() }
    }

    /// 32 bytes that only who has the keys can make.
    func sign(_ message: [UInt8], for purpose: Purpose) throws(CryptoError) -> [UInt8] {
        try Self.code(message, purpose, materials[0])
    }

    /// Whether one of the keys made it.
    func verifies(_ signature: [UInt8], of message: [UInt8], for purpose: Purpose) throws(CryptoError)
        -> Bool
    {
        var isValid = false
        for material in materials {
            if ConstantTime.equal(try Self.code(message, purpose, material), signature) { isValid = true }
        }
        return isValid
    }

    private static func code(
        _ message: [UInt8], _ purpose: Purpose, _ material: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        let key = try HMAC.sha256(key: material, message: Array(purpose.rawValue.utf8))
        return try HMAC.sha256(key: key, message: message)
    }
}
