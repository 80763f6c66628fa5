// SPDX-License-Identifier: Apache-2.0

/// The ids of objects: they look random, yet lead back to the object without a table.
///
/// An id ends in its object's number, mixed with the collection's hash by a bijection of 64 bits. An id of
/// another collection
/// leads to a number that is far out of range.
struct ObjectName: Sendable {
    let seed: UInt64
    private static let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    /// Event ids are in base32hex: a to v and digits.
    private static let hexLetters = Array("0123456789abcdefghijklmnopqrstuv".utf8)

    init(seed: UInt64) {
        self.seed = seed
    }

    func text(_ key: CollectionKey, _ index: Int, userName: String) -> String {
        switch key.stream {
        case .customers: "cus_" + code(key, index, 14, Self.letters)
        case .products: "prod_" + code(key, index, 14, Self.letters)
        case .invoices: "in_1" + code(key, index, 23, Self.letters)
        case .calendars:
            index == 0
                ? Self.primary(userName)
                : "c_\(code(key, index, 26, Self.hexLetters))@group.calendar.google.com"
        case .events: code(key, index, 26, Self.hexLetters)
        }
    }

    /// The number of the object with an id, if the collection has one.
    func index(of text: String, in collection: Collection, userName: String) -> Int? {
        let key = collection.key
        if key.stream == .calendars, text == Self.primary(userName) || text == "primary" {
            return collection.count > 0 ? 0 : nil
        }
        let tail = key.stream == .calendars ? text.utf8.prefix { $0 != UInt8(ascii: "@") } : text.utf8[...]
        let letters = key.stream.service == .stripe ? Self.letters : Self.hexLetters
        let digits = Self.digits(letters)
        guard tail.count > digits else { return nil }
        var value: UInt64 = 0
        for byte in tail.suffix(digits) {
            guard let digit = letters.firstIndex(of: byte) else { return nil }
            value = value &* UInt64(letters.count) &+ UInt64(digit)
        }
        let number = SplitMix64.unmix(value) ^ key.hash(seed: seed)
        // Written again, so that only the one true spelling counts.
        guard number < UInt64(collection.count),
            self.text(key, Int(number), userName: userName).utf8.elementsEqual(text.utf8)
        else { return nil }
        return Int(number)
    }

    /// The address of a user, which is also the id of the first calendar.
    static func primary(_ userName: String) -> String { "\(userName)@example.com" }

    /// Digits that hold 64 bits.
    private static func digits(_ letters: [UInt8]) -> Int { letters.count == 62 ? 11 : 13 }

    /// What all objects of the collection share, then the number.
    private func code(_ key: CollectionKey, _ index: Int, _ length: Int, _ letters: [UInt8]) -> String {
        let hash = key.hash(seed: seed)
        let base = UInt64(letters.count)
        var bytes = [UInt8](repeating: 0, count: length)
        var value = SplitMix64.mix(UInt64(index) ^ hash)
        var account = SplitMix64.mix(hash)
        for position in bytes.indices.reversed() {
            if position >= length - Self.digits(letters) {
                bytes[position] = letters[Int(value % base)]
                value /= base
            } else {
                bytes[position] = letters[Int(account % base)]
                account /= base
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
