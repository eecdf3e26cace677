/**
 * Character properties that JavaScript's regular expressions do not know: joining types, viramas, text direction
 * (Unicode Character Database 14: ArabicShaping.txt, UnicodeData.txt). Owns the tables; `precis.ts` asks.
 */
/** A set of characters by hexadecimal ranges. */
export const set = (ranges: string): RegExp =>
  new RegExp(`[${ranges.trim().split(/\s+/).map((r) => r.replace(/[0-9A-F]+/g, (hex) => `\\u{${hex}}`)).join('')}]`, 'u')

/** Canonical_Combining_Class 9. */
export const VIRAMA = set(`
  094D 09CD 0A4D 0ACD 0B4D 0BCD 0C4D 0CCD 0D3B-0D3C 0D4D 0DCA 0E3A 0EBA 0F84 1039-103A 1714-1715 1734 17D2 1A60 1B44
  1BAA-1BAB 1BF2-1BF3 2D7F A806 A82C A8C4 A953 A9C0 AAF6 ABED 10A3F 11046 11070 1107F 110B9 11133-11134 111C0 11235
  112EA 1134D 11442 114C2 115BF 1163F 116B6 1172B 11839 1193D-1193E 119E0 11A34 11A47 11A99 11C3F 11D44-11D45 11D97`)

const DUAL = `
  0620 0626 0628 062A-062E 0633-063F 0641-0647 0649-064A 066E-066F 0678-0687 069A-06BF 06C1-06C2 06CC 06CE 06D0-06D1
  06FA-06FC 06FF 0712-0714 071A-071D 071F-0727 0729 072B 072D-072E 074E-0758 075C-076A 076D-0770 0772 0775-0777
  077A-077F 07CA-07EA 0841-0845 0848 084A-0853 0855 0860 0862-0865 0868 0886 0889-088D 08A0-08A9 08AF-08B0 08B3-08B8
  08BA-08C8 1807 1820-1878 1887-18A8 18AA A840-A871 10AC0-10AC4 10AD3-10AD6 10AD8-10ADC 10ADE-10AE0 10AEB-10AEE 10B80
  10B82 10B86-10B88 10B8A-10B8B 10B8D 10B90 10BAD-10BAE 10D01-10D21 10D23 10F30-10F32 10F34-10F44 10F51-10F53
  10F70-10F73 10F76-10F81 10FB0 10FB2-10FB3 10FB8 10FBB-10FBC 10FBE-10FBF 10FC1 10FC4 10FCA 1E900-1E943`
const LEFT = 'A872 10ACD 10AD7 10D00 10FCB'
const RIGHT = `
  0622-0625 0627 0629 062F-0632 0648 0671-0673 0675-0677 0688-0699 06C0 06C3-06CB 06CD 06CF 06D2-06D3 06D5 06EE-06EF
  0710 0715-0719 071E 0728 072A 072C 072F 074D 0759-075B 076B-076C 0771 0773-0774 0778-0779 0840 0846-0847 0849 0854
  0856-0858 0867 0869-086A 0870-0882 088E 08AA-08AC 08AE 08B1-08B2 08B9 10AC5 10AC7 10AC9-10ACA 10ACE-10AD2 10ADD 10AE1
  10AE4 10AEF 10B81 10B83-10B85 10B89 10B8C 10B8E-10B8F 10B91 10BA9-10BAC 10D22 10F33 10F54 10F74-10F75 10FB4-10FB6
  10FB9-10FBA 10FBD 10FC2-10FC3 10FC9`

/** Joining_Type L or D: joins to what follows. */
export const JOINS_AFTER = set(`${DUAL} ${LEFT}`)
/** Joining_Type R or D: joins to what precedes. */
export const JOINS_BEFORE = set(`${DUAL} ${RIGHT}`)
/** Joining_Type T: nonspacing and enclosing marks, format characters. */
export const TRANSPARENT = /[\p{Mn}\p{Me}\p{Cf}]/u

/** Blocks whose letters, and unassigned places, are written from right to left (Bidi_Class R or AL). */
const RTL_BLOCK = set('0590-08FF FB1D-FDFF FE70-FEFF 10800-10FFF 1E800-1EFFF')
/** Text without any of these contains nothing written from right to left, Arabic numbers included. */
export const MAY_RUN_LEFT = RTL_BLOCK
const ARABIC_NUMBER = set('0600-0605 0660-0669 066B-066C 06DD 0890-0891 08E2 10D30-10D39 10E60-10E7E')
const EUROPEAN_NUMBER = set(`
  0030-0039 00B2-00B3 00B9 06F0-06F9 2070 2074-2079 2080-2089 102E1-102FB 1D7CE-1D7FF 1FBF0-1FBF9`)
const MARK = /[\p{Mn}\p{Me}]/u
const STRONG = /[\p{L}\p{Mc}\p{Nd}\p{Nl}]/u
/** Letters that have no direction of their own. */
const NEUTRAL_LETTER = set('02B9-02BA 02C6-02CF 02EC 2E2F A67F A717-A71F A788')
const STRONG_RTL = /[\p{L}\p{N}\p{Po}\p{So}]/u

export type Direction = 'left' | 'right' | 'arabic-number' | 'european-number' | 'mark' | 'neutral'

/** Bidi_Class, folded to what the Bidi Rule distinguishes, for characters that an identifier may contain. */
export function directionOf(char: string): Direction {
  if (EUROPEAN_NUMBER.test(char)) return 'european-number'
  if (ARABIC_NUMBER.test(char)) return 'arabic-number'
  if (MARK.test(char)) return 'mark'
  if (RTL_BLOCK.test(char)) return STRONG_RTL.test(char) ? 'right' : 'neutral'
  return STRONG.test(char) && !NEUTRAL_LETTER.test(char) ? 'left' : 'neutral'
}
