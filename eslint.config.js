/** Lint: types-aware rules for the sources, the limits of the house's style as numbers. */
import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const style = {
  'max-len': ['error', { code: 140, ignoreRegExpLiterals: true }],
  'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
  'max-params': ['error', 4],
  'max-depth': ['error', 3],
  'no-console': 'error',
  eqeqeq: 'error',
  'prefer-const': 'error',
  semi: ['error', 'never'],
  quotes: ['error', 'single', { avoidEscape: true, allowTemplateLiterals: true }]
}

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage', 'data'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['src/**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...style,
      // Protocols are made of control characters that must be refused.
      'no-control-regex': 'off',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // Several interfaces say "void or something": that is their meaning.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', {
        ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true
      }],
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/unified-signatures': 'off'
    }
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    extends: [...tseslint.configs.recommended],
    // Stanzas, tables of rows and sentences of the specification stay on one line.
    rules: {
      'max-len': ['error', { code: 140, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }],
      semi: style.semi,
      eqeqeq: 'error'
    }
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    languageOptions: {
      globals: {
        module: 'writable', process: 'readonly', console: 'readonly',
        Buffer: 'readonly', URL: 'readonly', performance: 'readonly',
        setTimeout: 'readonly', clearTimeout: 'readonly', setInterval: 'readonly', clearInterval: 'readonly'
      }
    },
    rules: { 'max-len': style['max-len'], semi: style.semi }
  },
  {
    files: ['bench/**/*.mjs'],
    // Tables of scenarios and gates stay on one line.
    rules: { 'max-len': ['error', { code: 140, ignoreStrings: true, ignoreTemplateLiterals: true }] }
  }
)
