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
    private static let capitals = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    private static let hexadecimal = Array("0123456789abcdef".utf8)

    init(seed: UInt64) {
        self.seed = seed
    }

    func text(_ key: CollectionKey, _ index: Int, userName: String) -> String {
        let prefix = Self.prefix(key.stream)
        let letters = Self.letters(key.stream)
        switch key.stream {
        case .customers, .products: return prefix + code(key, index, 14, letters)
        case .invoices, .prices, .subscriptions, .paymentIntents, .charges:
            return prefix + code(key, index, 23, letters)
        case .calendars:
            guard index > 0 else { return Self.primary(userName) }
            return prefix + code(key, index, 26, letters) + "@group.calendar.google.com"
        case .events: return code(key, index, 26, letters)
        case .channels, .users: return prefix + code(key, index, 13, letters)
        case .gmailMessages: return code(key, index, 16, letters)
        case .labels: return Self.label(index)
        // A message of Slack has no other name than its time.
        case .slackMessages, .slackReplies: return ""
        }
    }

    private static func prefix(_ stream: SandboxStream) -> String {
        switch stream {
        case .customers: "cus_"
        case .products: "prod_"
        case .prices: "price_1"
        case .invoices: "in_1"
        case .subscriptions: "sub_1"
        case .paymentIntents: "pi_3"
        case .charges: "ch_3"
        case .calendars: "c_"
        case .channels: "C0"
        case .users: "U0"
        case .events, .slackMessages, .slackReplies, .labels, .gmailMessages: ""
        }
    }

    private static func letters(_ stream: SandboxStream) -> [UInt8] {
        switch stream.service {
        case .stripe, .oauth: letters
        case .googleCalendar: hexLetters
        case .slack: capitals
        case .gmail: hexadecimal
        }
    }

    static let systemLabels = ["INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT"]

    private static func label(_ index: Int) -> String {
        index < systemLabels.count ? systemLabels[index] : "Label_\(index - systemLabels.count + 1)"
    }

    /// The number of the object with an id, if the collection has one.
    func index(of text: String, in collection: Collection, userName: String) -> Int? {
        let key = collection.key
        if key.stream == .calendars, text == Self.primary(userName) || text == "primary" {
            return collection.count > 0 ? 0 : nil
        }
        if key.stream == .labels {
            return (0..<collection.count).first { Self.label($0) == text }
        }
        let tail = key.stream == .calendars ? text.utf8.prefix { $0 != UInt8(ascii: "@") } : text.utf8[...]
        let letters = Self.letters(key.stream)
        let digits = Self.digits(letters)
        guard tail.count >= digits else { return nil }
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
    private static func digits(_ letters: [UInt8]) -> Int {
        switch letters.count {
        case 62: 11
        case 16: 16
        default: 13
        }
    }

    /// A name that leads to a number of this collection, for what is no object.
    func code(_ key: CollectionKey, _ number: Int, length: Int) -> String {
        code(key, number, length, Self.letters)
    }

    /// The number of a name that `code` made, below a bound.
    func number(of text: some StringProtocol, _ key: CollectionKey, below bound: Int) -> Int? {
        guard text.utf8.count >= 11 else { return nil }
        var value: UInt64 = 0
        for byte in text.utf8.suffix(11) {
            guard let digit = Self.letters.firstIndex(of: byte) else { return nil }
            value = value &* 62 &+ UInt64(digit)
        }
        let number = SplitMix64.unmix(value) ^ key.hash(seed: seed)
        guard number < UInt64(max(0, bound)),
            code(key, Int(number), length: text.utf8.count).utf8.elementsEqual(text.utf8)
        else { return nil }
        return Int(number)
    }

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
