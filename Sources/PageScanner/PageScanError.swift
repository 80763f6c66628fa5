// SPDX-License-Identifier: Apache-2.0

/// A page that cannot be scanned. The text never quotes the page.
public struct PageScanError: Error, Sendable, Equatable {
    /// What is wrong, for programs.
    public enum Code: String, Sendable {
        case notJSON = "not_json"
        /// A page of markup, as proxies and login walls send it with status 200.
        case html = "html_instead_of_json"
        /// The body ends in the middle of a value.
        case truncated = "truncated_json"
        case recordsMissing = "records_missing"
        case recordsNotArray = "records_not_array"
        case tooManyRecords = "too_many_records"
        /// A table whose header or quotes make no sense.
        case malformedCSV = "malformed_csv"
        /// A table that would be too large as records.
        case pageTooLarge = "page_too_large"
        case invalidPointer = "invalid_pointer"
        case outOfMemory = "out_of_memory"
    }

    /// What is wrong, for programs.
    public let code: Code
    /// The same for a person, without the content of records.
    public let message: String

    /// An error found while a plan was made or a page was read.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension PageScanError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
