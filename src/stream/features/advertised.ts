/**
 * Features that are only told, not negotiated: what plugins say after authentication, bound already or not.
 */
import type { Feature } from './feature.js'

/** @param text XML that stands alone inside `<stream:features/>`; asked at each stream header */
export function advertised(id: string, text: () => string): Feature {
  return {
    id,
    needs: ['authenticated'],
    forbids: [],
    sets: [],
    restarts: false,
    claims: () => false,
    offer: text,
    begin: () => ({ take: () => 'more' }),
    misplaced: () => 'more'
  }
}
