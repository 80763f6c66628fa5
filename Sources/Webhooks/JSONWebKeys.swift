// SPDX-License-Identifier: Apache-2.0

public import Cryptography
import PageScanner

/// The RSA keys of a JSON Web Key set (RFC 7517), by their ids.
public struct JSONWebKeys: Sendable {
    private let keys: [String: RSAPublicKey]

    /// Reads the set; keys of other kinds are left out. Nil when there is none that can be used.
    public init?(_ json: [UInt8]) {
        var keys: [String: RSAPublicKey] = [:]
        do {
            // One text of each key; Base64url has no slash.
            var plan = ScanPlan(
                records: try JSONPointer("/keys"),
                id: [try JSONPointer("/n"), try JSONPointer("/e"), try JSONPointer("/kid")])
            plan.maxIdentifierBytes = 4_096
            plan.maxRecords = 100
            let page = try PageScanner(plan: plan).scan(json)
            for record in page.records {
                let text = String(decoding: page.identifiers[record.identifierRange], as: UTF8.self)
                let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
                guard parts.count == 3, let key = Self.key(parts[0], parts[1]) else { continue }
                keys[String(parts[2])] = key
            }
        } catch {
            return nil
        }
        if keys.isEmpty { return nil }
        self.keys = keys
    }

    /// A set of these keys.
    public init(_ keys: [String: RSAPublicKey]) {
        self.keys = keys
    }

    /// The key of this id; nil when the set has none.
    public subscript(id: String) -> RSAPublicKey? { keys[id] }

    private static func key(_ modulus: Substring, _ exponent: Substring) -> RSAPublicKey? {
        do throws(CryptoError) {
            return try RSAPublicKey(modulus: modulus, exponent: exponent)
        } catch {
            return nil
        }
    }
}
