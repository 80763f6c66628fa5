// SPDX-License-Identifier: Apache-2.0

/// Why a payload is not a job: what the dead letter says.
public struct PayloadProblem: Error, Sendable, Hashable {
    /// The kind of problem, for programs and metrics.
    public enum Code: String, Sendable, CaseIterable {
        case empty
        case tooLarge = "too_large"
        case notUTF8 = "not_utf8"
        case notJSON = "not_json"
        case notAnObject = "not_an_object"
        case duplicateKey = "duplicate_key"
        case tooDeep = "too_deep"
        case unknownField = "unknown_field"
        case missingField = "missing_field"
        case wrongType = "wrong_type"
        case badValue = "bad_value"
        case badRange = "bad_range"
        /// The payload is for a newer worker.
        case unsupportedVersion = "unsupported_version"
    }

    /// What is wrong, as a word for programs; it stands in the dead letter.
    public let code: Code
    /// One sentence that says what to change.
    public let reason: String
    /// Where it is.
    public let detail: String

    init(_ code: Code, _ reason: String, at offset: Int? = nil) {
        self.code = code
        self.reason = reason
        detail = offset.map { "at byte \($0 + 1) of the payload" } ?? "the payload as a whole"
    }

    init(_ problem: JSONProblem) {
        let code: Code =
            switch problem.code {
            case .notUTF8: .notUTF8
            case .syntax: .notJSON
            case .duplicateKey: .duplicateKey
            case .tooDeep: .tooDeep
            }
        self.init(code, problem.reason, at: problem.offset)
    }
}

extension PayloadProblem: CustomStringConvertible {
    /// Reason and detail in one line.
    public var description: String { "\(reason) (\(detail))" }
}
