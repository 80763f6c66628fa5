// SPDX-License-Identifier: Apache-2.0

import Model

extension Environment {
    /// A secret that stands in a variable, or in the file that the variable `NAME_FILE` names; with the variable that it came from. Nil
    /// when there is none, or what there is cannot be used. `form` says what the secret looks like, and `check` what is wrong
    /// with it in words that do not repeat it. Of a secret of one line the line end that editors leave is no part.
    mutating func secretOrFile(
        _ name: String, form: String, isOneLine: Bool,
        readFile: (String) -> Result<SecretString, SecretFile.Refusal>,
        check: (SecretString) -> String? = { _ in nil }
    ) -> (value: SecretString, variable: String)? {
        let fileName = name + "_FILE"
        let secret = secret(name, allowed: form, check: check)
        let path = optional(fileName, allowed: "the path of a file with " + form, show: { $0 }, parse: { $0 })
        guard let path else { return secret.map { ($0, name) } }
        guard secret == nil else {
            report(fileName, "set together with \(name)", allowed: "one of the two")
            return nil
        }
        switch readFile(path) {
        case .success(let content):
            let secret =
                isOneLine ? SecretString(String(content.exposed.filter { !$0.isNewline })) : content
            guard let problem = check(secret) else { return (secret, fileName) }
            report(fileName, problem, allowed: "a file with " + form)
        case .failure(let refusal):
            report(fileName, refusal.reason, allowed: "a readable file with " + form)
        }
        return nil
    }
}
