// SPDX-License-Identifier: Apache-2.0

/// Why a schedule or a time zone was refused, in words that the person who wrote it can act on.
public struct CronError: Error, Sendable, Equatable {
    /// What is wrong, for programs. New codes may be added.
    public struct Code: Sendable, Hashable {
        /// The word as it stands in the expression.
        public let name: String

        private init(_ name: String) { self.name = name }

        /// The text has too few or too many fields.
        public static let fieldCount = Code("field_count")
        /// A name behind `@` that is not one of the shorthands.
        public static let unknownShorthand = Code("unknown_shorthand")
        /// A field does not have one of its forms.
        public static let syntax = Code("syntax")
        /// A number, a step or a range lies outside its field.
        public static let outOfRange = Code("out_of_range")
        /// Every field is right, but no calendar day satisfies them together.
        public static let impossibleDate = Code("impossible_date")
        /// There is no time zone of that name.
        public static let unknownTimeZone = Code("unknown_time_zone")
        /// The file of the time zone cannot be read or is damaged.
        public static let unreadableTimeZone = Code("unreadable_time_zone")
    }

    /// What is wrong, for programs.
    public let code: Code
    /// The field as a person calls it, for example `day of month`; nil when the whole text is meant.
    public let field: String?
    /// One line: the field, the problem, and what is allowed.
    public let message: String

    init(_ code: Code, field: String? = nil, _ problem: String, allowed: String) {
        self.code = code
        self.field = field
        message = (field.map { "\($0): " } ?? "") + "\(problem); allowed: \(allowed)"
    }
}

extension CronError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
