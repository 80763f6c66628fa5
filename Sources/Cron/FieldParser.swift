// SPDX-License-Identifier: Apache-2.0

/// Reads the text of one field into the values that it accepts.
struct FieldParser {
    private let field: CronField
    private let hashSeed: String
    private var values = CronValues()

    static func parse(_ text: String, as field: CronField, hashSeed: String) throws(CronError) -> CronValues {
        var parser = FieldParser(field: field, hashSeed: hashSeed)
        for element in text.uppercased().split(separator: ",", omittingEmptySubsequences: false) {
            try parser.add(String(element))
        }
        parser.values.isWildcard = text.utf8.first == UInt8(ascii: "*")
        return parser.values
    }

    private init(field: CronField, hashSeed: String) {
        self.field = field
        self.hashSeed = hashSeed
    }

    private mutating func add(_ element: String) throws(CronError) {
        guard !element.isEmpty else {
            throw field.error(.syntax, "an element of the list is empty")
        }
        if let day = try calendarDay(element) {
            values.days.append(day)
            return
        }
        var scanner = ElementScanner(element)
        if scanner.take("*") {
            let step = try step(&scanner, over: field.openRange)
            insert(field.openRange, by: step ?? 1)
        } else if scanner.take("H") {
            try addHashed(&scanner)
        } else {
            let low = try value(&scanner, named: nil, in: element)
            let isRange = scanner.take("-")
            let high = isRange ? try value(&scanner, named: low, in: element) : low
            guard low <= high else {
                throw field.error(
                    .outOfRange, "the range \(element) runs backwards, write two ranges in a list")
            }
            let step = try step(&scanner, over: field.openRange)
            let last = isRange || step == nil ? high : max(low, field.openRange.upperBound)
            insert(low...last, by: step ?? 1)
        }
        guard scanner.atEnd else { throw unreadable(element) }
    }

    private mutating func addHashed(_ scanner: inout ElementScanner) throws(CronError) {
        var range = field.hashRange
        if scanner.take("(") {
            let low = try value(&scanner, named: nil, in: scanner.text)
            guard scanner.take("-") else { throw unreadable(scanner.text) }
            let high = try value(&scanner, named: low, in: scanner.text)
            guard scanner.take(")"), low <= high else { throw unreadable(scanner.text) }
            range = low...high
        }
        let hash = StableHash.value(seed: hashSeed, field: field.name)
        if let step = try step(&scanner, over: range) {
            let start = range.lowerBound + Int(hash % UInt64(step))
            insert(start...range.upperBound, by: step)
        } else {
            let value = range.lowerBound + Int(hash % UInt64(range.count))
            insert(value...value, by: 1)
        }
    }

    private mutating func insert(_ range: ClosedRange<Int>, by step: Int) {
        for value in stride(from: range.lowerBound, through: range.upperBound, by: step) {
            let isSundayAsSeven = field.kind == .dayOfWeek && value == 7
            values.bits |= 1 << UInt64(isSundayAsSeven ? 0 : value)
        }
    }

    /// The step behind a slash. A step wider than its range would silently mean "once", so that `*/90`
    /// minutes would run every hour; it is refused instead.
    private func step(_ scanner: inout ElementScanner, over range: ClosedRange<Int>) throws(CronError) -> Int?
    {
        guard scanner.take("/") else { return nil }
        guard let step = scanner.number() else {
            throw field.error(.syntax, "\(quoted(scanner.text)) has no number behind the slash")
        }
        guard (1...range.count).contains(step) else {
            throw field.error(.outOfRange, "the step \(step) is not between 1 and \(range.count)")
        }
        return step
    }

    /// A number or a name. Behind a range's hyphen (`low` is given) the name `SUN` means 7.
    private func value(
        _ scanner: inout ElementScanner, named low: Int?, in element: String
    ) throws(CronError) -> Int {
        if let number = scanner.number() {
            guard field.range.contains(number) else {
                throw field.error(.outOfRange, "\(number) is out of range")
            }
            return number
        }
        guard let word = scanner.word(), let index = field.names.firstIndex(of: word) else {
            throw unreadable(element)
        }
        let value = index + field.firstNamed
        let closesWeek = field.kind == .dayOfWeek && value == 0 && (low ?? 0) > 0
        return closesWeek ? 7 : value
    }

    private func calendarDay(_ element: String) throws(CronError) -> CalendarDay? {
        switch field.kind {
        case .plain: nil
        case .dayOfMonth: try dayOfMonth(element)
        case .dayOfWeek: try dayOfWeek(element)
        }
    }

    private func dayOfMonth(_ element: String) throws(CronError) -> CalendarDay? {
        var scanner = ElementScanner(element)
        if scanner.take("L") {
            if scanner.atEnd { return .last(minus: 0) }
            if scanner.take("W"), scanner.atEnd { return .lastWorkday }
            guard scanner.take("-"), let distance = scanner.number(), scanner.atEnd else {
                throw unreadable(element)
            }
            guard distance <= 30 else {
                throw field.error(.outOfRange, "no month has a day \(distance) days before its last")
            }
            return .last(minus: distance)
        }
        guard let day = scanner.number(), scanner.take("W"), scanner.atEnd else { return nil }
        guard field.range.contains(day) else { throw field.error(.outOfRange, "\(day) is out of range") }
        return .nearestWorkday(to: day)
    }

    private func dayOfWeek(_ element: String) throws(CronError) -> CalendarDay? {
        let isLast = element.utf8.last == UInt8(ascii: "L")
        guard isLast || element.utf8.contains(UInt8(ascii: "#")) else { return nil }
        // The name is cut off first: in `FRIL` the letters run together.
        var scanner = ElementScanner(isLast ? String(element.dropLast()) : element)
        let weekday = try value(&scanner, named: nil, in: element) % 7
        if isLast {
            guard scanner.atEnd else { throw unreadable(element) }
            return .lastWeekday(weekday)
        }
        guard scanner.take("#"), let index = scanner.number(), scanner.atEnd else {
            throw unreadable(element)
        }
        guard (1...5).contains(index) else {
            throw field.error(.outOfRange, "#\(index) is not between #1 and #5")
        }
        return .nthWeekday(weekday, index)
    }

    private func unreadable(_ element: String) -> CronError {
        field.error(.syntax, "\(quoted(element)) is not understood")
    }

    private func quoted(_ text: String) -> String { "'\(text.prefix(32))'" }
}

/// A cursor over the ASCII text of one list element.
private struct ElementScanner {
    let text: String
    private let bytes: [UInt8]
    private var index = 0

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    var atEnd: Bool { index == bytes.count }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, UInt32(bytes[index]) == character.value else { return false }
        index += 1
        return true
    }

    /// A run of at most four digits, so that it cannot overflow; longer runs are left unread.
    mutating func number() -> Int? {
        let digits = bytes[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard (1...4).contains(digits.count) else { return nil }
        index += digits.count
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    mutating func word() -> String? {
        let letters = bytes[index...].prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        guard !letters.isEmpty else { return nil }
        index += letters.count
        return String(decoding: letters, as: UTF8.self)
    }
}
