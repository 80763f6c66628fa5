// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Cryptography

/// A published case of AES-256-GCM with a nonce of 96 bits.
private struct Vector: Sendable, CustomTestStringConvertible {
    let name: String
    let key: String
    let nonce: String
    let plaintext: String
    let context: String
    let ciphertext: String
    let tag: String

    var testDescription: String { name }
}

/// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
private let vectors = [
    Vector(
        name: "case 13", key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
        plaintext: "", context: "", ciphertext: "", tag: "530f8afbc74536b9a963b4f1c4cb738b"),
    Vector(
        name: "case 14", key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
        plaintext: String(repeating: "00", count: 16), context: "",
        ciphertext: "cea7403d4d606b6e074ec5d3baf39d18", tag: "d0d1c8a799996bf0265b98b5d48ab919"),
    Vector(
        name: "case 16", key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        context: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
]

@Suite struct `AES-256-GCM` {
    private let cipher: AES256GCM

    init() throws {
        cipher = try AES256GCM(key: SecureRandom.bytes(AES256GCM.keyByteCount))
    }

    @Test(arguments: vectors)
    private func `seals and opens the published cases`(_ vector: Vector) throws {
        let cipher = try AES256GCM(key: bytes(vector.key))

        let sealed = try cipher.seal(
            bytes(vector.plaintext), context: bytes(vector.context), nonce: bytes(vector.nonce))

        #expect(Hex.encode(sealed) == vector.nonce + vector.ciphertext + vector.tag)
        #expect(try cipher.open(sealed, context: bytes(vector.context)) == bytes(vector.plaintext))
    }

    @Test func `two seals of one text differ and both open`() throws {
        let text = Array("a refresh token".utf8)

        let first = try cipher.seal(text, context: [1])
        let second = try cipher.seal(text, context: [1])

        #expect(first != second)
        #expect(first.count == text.count + AES256GCM.overhead)
        #expect(try cipher.open(first, context: [1]) == text)
        #expect(try cipher.open(second, context: [1]) == text)
    }

    @Test func `any changed bit is refused`() throws {
        let sealed = try cipher.seal([1, 2, 3, 4], context: [9])

        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << bit
                #expect(code { try cipher.open(changed, context: [9]) } == .authenticationFailed)
            }
        }
    }

    @Test func `another context, another key or a shortened text is refused`() throws {
        let sealed = try cipher.seal([1, 2, 3, 4], context: [9])
        let other = try AES256GCM(key: SecureRandom.bytes(32))

        #expect(code { try cipher.open(sealed, context: [8]) } == .authenticationFailed)
        #expect(code { try cipher.open(sealed) } == .authenticationFailed)
        #expect(code { try other.open(sealed, context: [9]) } == .authenticationFailed)
        #expect(code { try cipher.open(sealed.dropLast(), context: [9]) } == .authenticationFailed)
        #expect(code { try cipher.open(Array(sealed.prefix(27)), context: [9]) } == .invalidInput)
        #expect(code { try cipher.open([], context: [9]) } == .invalidInput)
    }

    @Test(arguments: [0, 16, 31, 33]) func `a key of another length is refused`(_ count: Int) {
        #expect(code { try AES256GCM(key: [UInt8](repeating: 1, count: count)) } == .invalidKey)
    }

    @Test func `the key cannot be printed`() throws {
        let cipher = try AES256GCM(key: [UInt8](repeating: 65, count: 32))

        #expect("\(cipher)" == "<AES-256-GCM key>")
    }

    private func bytes(_ hex: String) throws -> [UInt8] {
        try #require(Hex.decode(hex))
    }

    private func code<Result>(_ body: () throws -> Result) -> CryptoError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? CryptoError)?.code
        }
    }
}

extension AES256GCM {
    fileprivate func open(_ sealed: ArraySlice<UInt8>, context: [UInt8]) throws -> [UInt8] {
        try open(Array(sealed), context: context)
    }
}
